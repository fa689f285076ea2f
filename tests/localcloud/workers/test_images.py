"""From a pushed image to a running worker, and everything that is refused on the way."""

import asyncio
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from infra.localcloud.core.clock import RealClock
from infra.localcloud.runpod.workers.images import ARCHITECTURE, ImageRefused, ImageStore
from infra.localcloud.runpod.workers.interpreter import VERSION
from infra.localcloud.runpod.workers.unpack import BadLayer, unpack

ALIAS = "registry.pilotlight.internal"


def tar(*members, compress=True) -> bytes:
    """Members are (name, content) for files, (name, None) for folders, or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if compress else "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            else:
                info.size, info.mode = len(content), 0o644
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


class Pushed:
    """What the registry keeps: manifests by name, blobs as files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests: dict[tuple[str, str], bytes] = {}
        root.mkdir()

    def manifest(self, repo, reference):
        content = self.manifests.get((repo, reference))
        return None if content is None else ("application/vnd.oci.image.manifest.v1+json", content)

    def blob_path(self, digest):
        path = self.root / digest.removeprefix("sha256:")
        return path if path.exists() else None

    def blob(self, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (self.root / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def push(self, *layers: bytes, labels=None, arch=ARCHITECTURE, tag="latest", **options) -> str:
        labels = {"dev.pilotlight.python": VERSION} if labels is None else labels
        options = {"Entrypoint": ["python3", "-u", "/app/rp_handler.py"], "Labels": labels} | options
        config = {"os": "linux", "architecture": arch, "config": options}
        manifest = {
            "schemaVersion": 2,
            "config": self.blob(json.dumps(config).encode()),
            "layers": [self.blob(layer) for layer in layers],
        }
        return self.put(json.dumps(manifest).encode(), tag)

    def put(self, content: bytes, tag="latest") -> str:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.manifests["team/search", digest] = self.manifests["team/search", tag] = content
        return f"{ALIAS}/team/search@{digest}"


@pytest.fixture
def pushed(tmp_path):
    return Pushed(tmp_path / "registry")


@pytest.fixture
def store(tmp_path, pushed):
    return ImageStore(pushed, tmp_path / "images", hosts={"127.0.0.1:5000"})


def refused(store, reference) -> str:
    with pytest.raises(ImageRefused) as caught:
        asyncio.run(store.resolve(reference))
    return str(caught.value)


APP = tar(("app", None), ("app/rp_handler.py", b"import base\nprint(base.NAME)\n"))
SITE = tar(("opt/pilotlight/site/base.py", b"NAME = 'one'\n"), compress=False)


def test_an_image_is_mapped_onto_this_machine(store, pushed):
    env = [
        "PATH=/usr/bin",
        "PYTHONPATH=/app:/opt/pilotlight/site",
        "MODEL=/app/model",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    reference = pushed.push(SITE, APP, Env=env, WorkingDir="/app", Cmd=["--data", "/app/data"])
    image = asyncio.run(store.resolve(reference))
    argv = image.argv("")
    assert argv[1:] == ["-u", f"{image.root}/app/rp_handler.py", "--data", f"{image.root}/app/data"]
    assert Path(argv[0]).name == "python3"
    assert image.cwd == image.root / "app"
    assert image.env == {
        "PYTHONPATH": f"{image.root}/app:{image.root}/opt/pilotlight/site",
        "MODEL": "/app/model",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    assert (image.root / "opt/pilotlight/site/base.py").read_bytes() == b"NAME = 'one'\n"


def test_all_names_of_an_image_are_the_same_image_and_a_layer_is_unpacked_once(store, pushed, tmp_path):
    reference = pushed.push(SITE, APP)
    names = [
        reference,
        f"{ALIAS}/team/search:latest",
        "127.0.0.1:5000/team/search",
        f"127.0.0.1:5000{reference[len(ALIAS) :]}",
    ]
    images = [asyncio.run(store.resolve(name)) for name in names]
    assert len({id(image) for image in images}) == 1
    inode = (tmp_path / "images/layers" / hashlib.sha256(SITE).hexdigest()).stat().st_ino
    other = pushed.push(SITE, tar(("app/rp_handler.py", b"pass\n")), tag="next")
    asyncio.run(store.resolve(other))
    assert (tmp_path / "images/layers" / hashlib.sha256(SITE).hexdigest()).stat().st_ino == inode
    again = ImageStore(pushed, tmp_path / "images")
    assert asyncio.run(again.resolve(reference)).root == images[0].root


def test_sources_are_compiled_once_under_the_images_own_names(store, pushed):
    reference = pushed.push(APP, tar(("app/bad.py", b"def :\n"), ("app/__pycache__/x.txt", b"")))
    root = asyncio.run(store.resolve(reference)).root
    (cached,) = (root / "app").glob("__pycache__/rp_handler.*.pyc")
    assert b"/app/rp_handler.py" in cached.read_bytes()
    assert str(root).encode() not in cached.read_bytes()
    assert int.from_bytes(cached.read_bytes()[4:8], "little") == 1, "hash-based, unchecked"


def test_upper_layers_cover_merge_and_remove(store, pushed):
    base = tar(
        ("etc/a", b"1"),
        ("etc/b", b"1"),
        ("lib/x", b"1"),
        ("opt/d/x", b"1"),
        ("opt/e/x", b"1"),
        ("usr/f", b"1"),
        link("bin", "usr"),
    )
    middle = tar(
        ("etc/a", b"2"),
        ("etc/.wh.b", b""),
        ("opt/d/.wh..wh..opq", b""),
        ("opt/d/y", b"2"),
        ("opt/.wh.e", b""),
    )
    top = tar(("lib", b"a file now"), ("opt/e/z", b"3"))
    root = asyncio.run(store.resolve(pushed.push(base, middle, top))).root

    def names(folder):
        return sorted(os.listdir(root / folder))

    assert (root / "etc/a").read_bytes() == b"2"
    assert names("etc") == ["a"]
    assert names("opt/d") == ["y"]
    assert names("opt/e") == ["z"]
    assert (root / "lib").read_bytes() == b"a file now"
    assert (root / "bin/f").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("docker.io/library/python:3.11", "nothing from outside"),
        ("python", "nothing from outside"),
        ("", "nothing from outside"),
        (f"{ALIAS}/../etc@sha256:{'0' * 64}", "nothing from outside"),
        ("127.0.0.1:5001/team/search", "nothing from outside"),
        (f"{ALIAS}/team/search:none", "not in the local registry"),
        (f"{ALIAS}/team/search@sha256:{'0' * 64}", "not in the local registry"),
    ],
)
def test_an_image_from_elsewhere_is_refused(store, pushed, reference, says):
    pushed.push(APP)
    assert says in refused(store, reference)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": {}}, "no label dev.pilotlight.python"),
        ({"labels": {"dev.pilotlight.python": "2.7"}}, f'python="{VERSION}"'),
        ({"arch": "riscv64"}, "riscv64"),
        ({"Entrypoint": ["/bin/sh", "-c", "curl | sh"]}, "/bin/sh"),
        ({"Entrypoint": None}, "nothing"),
        ({"Entrypoint": []}, "nothing"),
    ],
)
def test_an_image_that_cannot_run_here_is_refused_with_the_reason(store, pushed, options, says):
    assert says in refused(store, pushed.push(APP, **options))


def test_a_damaged_image_is_refused_and_leaves_nothing(store, pushed, tmp_path):
    assert "not a readable tar" in refused(store, pushed.push(b"no tar"))
    assert "not a readable tar" in refused(store, pushed.push(SITE[:520]))
    for content in (b"[]", b"{}", b"{", b'{"manifests": [1]}'):
        assert "manifest that is not one" in refused(store, pushed.put(content))
    config, layer = pushed.blob(b"[]"), pushed.blob(APP)
    broken = pushed.put(json.dumps({"config": config, "layers": [layer]}).encode())
    assert "configuration that is not one" in refused(store, broken)
    whole = pushed.push(APP)
    (tmp_path / "registry" / hashlib.sha256(APP).hexdigest()).write_bytes(APP[:-9])
    assert "is damaged" in refused(store, whole)
    for blob in (tmp_path / "registry").iterdir():
        blob.unlink()
    assert "does not hold its blob" in refused(store, whole)
    assert [
        path for path in (tmp_path / "images").rglob("*") if path.is_file() and "python" not in path.parts
    ] == []


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"")],
        [("app/../../evil", b"")],
        [link("out", "../..")],
        [link("app/out", "../../etc/passwd")],
        [link("up", "..")],
        [link("here", "app"), ("here/evil", b"")],
        [("here", None), ("here/fine", b""), link("here", "/"), ("here/evil", b"")],
        [("a/b", None), ("a/b/fine", b""), link("a", "/"), ("a/b/evil", b"")],
        [("app/s", b""), ("app/s/evil", b"")],
        [link("copy", "../../etc/passwd", tarfile.LNKTYPE)],
        [link("copy", "/etc/passwd", tarfile.LNKTYPE)],
        [link("way", "app"), link("copy", "way", tarfile.LNKTYPE)],
    ],
)
def test_a_layer_that_reaches_out_is_refused(tmp_path, members):
    blob = tmp_path / "blob"
    blob.write_bytes(tar(*members))
    with pytest.raises(BadLayer):
        unpack(blob, tmp_path / "layers" / "one")
    assert os.listdir(tmp_path / "layers") == []


def test_links_stay_inside_whatever_they_pass_through(tmp_path):
    """`p/s` leads to the root, so `s/../..` would lead out of it if it were kept as written."""
    blob = tmp_path / "blob"
    blob.write_bytes(
        tar(
            link("p/s", ".."),
            link("p/l", "s/../x"),
            link("abs", "/app/f"),
            ("app/f", b"in"),
            link("self", "/"),
        )
    )
    root = unpack(blob, tmp_path / "layers" / "one").root
    for path in (root / "p/s", root / "p/l", root / "abs", root / "self"):
        assert Path(os.path.realpath(path)).is_relative_to(root)
    assert (root / "abs").read_bytes() == b"in"


def test_devices_and_owners_are_left_out_and_files_cannot_be_written(tmp_path):
    device, fifo = tarfile.TarInfo("dev/null"), tarfile.TarInfo("pipe")
    device.type, fifo.type = tarfile.CHRTYPE, tarfile.FIFOTYPE
    program = tarfile.TarInfo("run")
    program.mode, program.uid = 0o6777, 1234
    blob = tmp_path / "blob"
    blob.write_bytes(tar(device, fifo, program, ("/abs/file", b"x")))
    root = unpack(blob, tmp_path / "layers" / "one").root
    assert not (root / "dev/null").exists()
    assert not (root / "pipe").exists()
    assert (root / "run").stat().st_mode & 0o7777 == 0o555
    assert (root / "run").stat().st_uid == os.getuid()
    assert (root / "abs/file").read_bytes() == b"x"


def test_what_comes_later_in_a_layer_takes_the_place_of_what_came_before(tmp_path):
    blob = tmp_path / "blob"
    blob.write_bytes(
        tar(("d", None), ("d/x", b"1"), ("d", None), ("f", b"1"), ("f", b"2"), ("l/x", b"1"), link("l", "d"))
    )
    root = unpack(blob, tmp_path / "layers" / "one").root
    assert (root / "d/x").read_bytes() == b"1"
    assert (root / "f").read_bytes() == b"2"
    assert os.readlink(root / "l") == "d"


WORKER = b"""
import json, os, sys, urllib.request
from helper import answer

def call(url, body=None):
    headers = {"Authorization": os.environ["RUNPOD_AI_API_KEY"]}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return json.loads(response.read() or "null")

pod = os.environ["RUNPOD_POD_ID"]
while True:
    job = call(os.environ["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", pod))
    if job:
        url = os.environ["RUNPOD_WEBHOOK_POST_OUTPUT"].replace("$RUNPOD_POD_ID", pod).replace("$ID", job["id"])
        call(url, json.dumps({"output": answer(job["input"])}).encode())
"""

HELPER = b"""
import importlib.util, os, sys

def answer(payload):
    found = {name: importlib.util.find_spec(name) is not None for name in ("pytest", "aiohttp", "helper")}
    return {"argv": sys.argv[1:], "cwd": os.getcwd(), "found": found, "file": __file__, "echo": payload}
"""


@pytest.mark.xdist_group("workers")
def test_a_pushed_image_answers_a_request(tmp_path, pushed, serve):
    reference = pushed.push(
        tar(("opt/pilotlight/site/helper.py", HELPER)),
        tar(("app/rp_handler.py", WORKER)),
        Env=["PYTHONPATH=/app:/opt/pilotlight/site"],
        WorkingDir="/app",
    )

    async def main():
        store = ImageStore(pushed, tmp_path / "images")
        async with serve(tmp_path, RealClock(), store) as cloud:
            await cloud.apply(image=reference, args="--greet 'a b'")
            answer = await asyncio.wait_for(cloud.call("POST", "runsync", {"input": "hi"}), 60)
            assert answer["status"] == "COMPLETED"
            image = await store.resolve(reference)
            assert answer["output"]["echo"] == "hi"
            assert answer["output"]["argv"] == ["--greet", "a b"]
            assert answer["output"]["found"] == {"pytest": False, "aiohttp": False, "helper": True}
            assert answer["output"]["file"] == f"{image.root}/opt/pilotlight/site/helper.py"
            assert Path(answer["output"]["cwd"]) == Path(os.path.realpath(image.root / "app"))

    asyncio.run(main())
