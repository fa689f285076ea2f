"""Images with a root file system of their own, run with their own programs."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.localcloud.core import namespace
from infra.localcloud.core.clock import RealClock
from infra.localcloud.runpod.model import ScalerType
from infra.localcloud.runpod.workers import rootfs
from infra.localcloud.runpod.workers.images import ImageRefused, ImageStore
from infra.localcloud.runpod.workers.unpack import Layer

pytestmark = pytest.mark.xdist_group("workers")

_spec = importlib.util.spec_from_file_location("images_of_tests", Path(__file__).with_name("test_images.py"))
assert _spec is not None
assert _spec.loader is not None
pushing = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = pushing
_spec.loader.exec_module(pushing)

needs_namespaces = pytest.mark.skipif(
    bool(namespace.refusal()), reason=f"no mount namespaces: {namespace.refusal()}"
)


def system() -> list[tuple[str, bytes]]:
    """A root file system of this machine's shell and `ls`, with what they link to."""
    files = {}
    for program in ("sh", "ls", "cat"):
        path = shutil.which(program)
        assert path is not None
        files[f"usr/bin/{program}"] = path
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        files |= {found.lstrip("/"): found for found in re.findall(r"(/\S+)", listed)}
    return [(name, Path(os.path.realpath(path)).read_bytes()) for name, path in sorted(files.items())]


def executable(members):
    """As `tar`, with everything executable."""
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(pushing.link("bin", "usr/bin"))
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@needs_namespaces
def test_a_foreign_image_runs_in_its_own_root(tmp_path, serve):
    pushed = pushing.Pushed(tmp_path / "registry")
    script = (
        "echo root: $(ls /); cat /etc/mark; echo home: $HOME; echo word: $WORD $RUNPOD_POD_ID;"
        "echo new > /etc/written && cat /etc/written; echo new > /usr/bin/sh2; ls /runpod-volume"
    )
    reference = pushed.push(
        executable(system()),
        pushing.tar(("etc/mark", b"the image\n"), ("work/here", b"")),
        labels={},
        Entrypoint=["sh", "-c"],
        Cmd=[script],
        Env=["PATH=/bin", "WORD=from the image"],
        WorkingDir="/work",
    )
    volume = tmp_path / "volumes" / "vol"
    volume.mkdir(parents=True)
    (volume / "weights").touch()

    class Volumes:
        def path(self, volume_id):
            return volume

    async def main():
        images = ImageStore(pushed, tmp_path / "cloud" / "images")
        options = {"volumes": Volumes(), "volume_place": lambda volume_id: "EU-RO-1"}
        async with serve(tmp_path, RealClock(), images, **options) as cloud:
            await cloud.apply(image=reference, workers_min=1, network_volumes=("vol",), flashboot="FLASHBOOT")
            await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
            (view,) = [view for view in cloud.views() if view.status.value == "UNHEALTHY"]
            said = [line.line for line in cloud.fleet._find(cloud.record.id, view.id).log.tail(50)]
            image = await images.resolve(reference)
            return said, view, image

    said, view, image = asyncio.run(asyncio.wait_for(main(), 60))
    assert any("root: " in line for line in said), (said, view)
    (root,) = [line for line in said if line.startswith("root: ")]
    assert {"bin", "dev", "etc", "proc", "runpod-volume", "usr", "work"} <= set(root.split()[1:])
    assert "home" not in root.split(), "nothing of this machine's root"
    assert "the image" in said
    assert f"word: from the image {view.id}" in said
    assert "new" in said, "it can write"
    assert "weights" in said
    assert not (image.root / "etc/written").exists(), "and the image stays as it is"
    assert not (image.root / "usr/bin/sh2").exists()
    with pytest.raises(ValueError, match="own root file system"):
        image.argv("")


@needs_namespaces
def test_it_serves_behind_a_load_balancer(tmp_path, serve):
    """Its Python is this machine's, mounted into the image's root: a real one would be too large for a test."""
    python = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    tree = tmp_path / "tree"
    (tree / "srv").mkdir(parents=True)
    covered = tree / str(python).lstrip("/")
    covered.parent.mkdir(parents=True)
    covered.touch(0o755)
    (tree / "srv" / "server.py").write_text(
        "import http.server, os\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(os.getcwd().encode())\n"
        "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()\n"
    )

    async def main():
        from infra.localcloud.core.namespace import Bind
        from infra.localcloud.runpod.workers.images import UnpackedImage

        image = UnpackedImage(
            "sha256:own", tree, python, (str(python), "/srv/server.py"), (), Path("/srv"), {}, own_root=True
        )

        class Images:
            async def resolve(self, reference):
                return image

        real = rootfs.enclose

        def with_system(command, root, folder, cwd, kept, more):
            system = [
                Bind(f"/{name}", f"/{name}", True) for name in namespace.SYSTEM if Path(f"/{name}").is_dir()
            ]
            prefix = python.parents[1]
            return real(
                command, root, folder, cwd, kept, [*more, *system, Bind(str(prefix), str(prefix), True)]
            )

        rootfs.enclose = with_system
        try:
            async with serve(tmp_path, RealClock(), Images()) as cloud:
                await cloud.apply(type="LOAD_BALANCER", scaler=ScalerType.REQUEST_COUNT, scaler_value=1.0)
                url = f"{cloud.url}/lb/{cloud.record.id}/"
                async with cloud.session.get(url, headers={"Authorization": "local-key"}) as answer:
                    return answer.status, await answer.text()
        finally:
            rootfs.enclose = real

    assert asyncio.run(asyncio.wait_for(main(), 60)) == (200, "/srv")


def test_without_namespaces_or_a_program_it_is_refused(tmp_path, monkeypatch):
    pushed = pushing.Pushed(tmp_path / "registry")
    store = ImageStore(pushed, tmp_path / "images")
    nothing = pushed.push(pushing.APP, labels={}, Entrypoint=["nginx"])
    with pytest.raises(ImageRefused, match=r"no label dev.pilotlight.python and does not bring .*nginx"):
        asyncio.run(store.resolve(nothing))
    empty = pushed.push(pushing.APP, labels={}, Entrypoint=None)
    with pytest.raises(ImageRefused, match="does not bring"):
        asyncio.run(store.resolve(empty))
    monkeypatch.setattr(namespace, "refusal", lambda: "this kernel allows none")
    whole = pushed.push(executable([("usr/bin/sh", b"#!")]), labels={}, Entrypoint=["sh"])
    with pytest.raises(ImageRefused, match="cannot give it one: this kernel allows none"):
        asyncio.run(store.resolve(whole))


def layer(root: Path, *, removed=(), opaque=(), **files: str) -> Layer:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_text(content)
    root.mkdir(exist_ok=True)
    return Layer(root, frozenset(removed), frozenset(opaque))


def test_layers_become_one_tree(tmp_path):
    low = layer(
        tmp_path / "low",
        usr__bin__a="1",
        bin="-> usr/bin",
        etc__x="1",
        etc__y="1",
        var__old="1",
        opt="file",
        away="-> ..",
    )
    high = layer(
        tmp_path / "high",
        removed=("etc/x",),
        opaque=("var",),
        bin__b="2",
        var__new="2",
        opt__inside="2",
        usr__bin__a="2",
    )
    tree = rootfs.flatten([low, high], tmp_path / "tree")
    found = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert {name: found[name] for name in found if not name.startswith("bin")} == {
        "usr/bin/a": "2",
        "usr/bin/b": "2",
        "etc/y": "1",
        "var/new": "2",
        "opt/inside": "2",
    }
    assert os.readlink(tree / "bin") == "usr/bin"
    assert os.path.samefile(tree / "usr/bin/a", tmp_path / "high/usr/bin/a"), "shared, not copied"
    assert (tmp_path / "low/usr/bin/a").read_text() == "1"
    evil = layer(tmp_path / "evil", away__hosts="3")
    with pytest.raises(Exception, match="leads out of the image"):
        rootfs.flatten([low, evil], tmp_path / "other")
    assert not (tmp_path / "hosts").exists()
