"""What the code in a container sees: its own root where the kernel allows one, and what is left of it elsewhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.localcloud.core import namespace
from infra.localcloud.modal.model import TaskState
from tests.localcloud.modal.running import RunningModal

pytestmark = pytest.mark.xdist_group("modal")
own_root = pytest.mark.skipif(not namespace.possible(), reason="this kernel allows no mount namespaces")

SOURCE = """
import os, sys
from pathlib import Path

data, fixed, part = (modal.Volume.from_name(name, create_if_missing=True) for name in ("data", "fixed", "part"))
image = image.add_local_dir(ASSETS, "/assets").add_local_file(ASSETS + "/hello.txt", "/etc/own.conf")

@app.function(image=image, max_containers=1,
              volumes={"/data": data, "/fixed": fixed.with_mount_options(read_only=True),
                       "/root/part": part.with_mount_options(sub_path="inner")})
def look(code):
    found = {}
    exec(code, {"Path": Path, "os": os, "found": found})
    return found

@app.function(max_containers=1)
def plain():
    return [os.getcwd(), __file__, sys.prefix]
"""


@pytest.fixture(scope="module", params=[pytest.param(True, marks=own_root), False], ids=["own root", "plain"])
def modal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningModal]:
    assets = tmp_path_factory.mktemp("assets")
    (assets / "hello.txt").write_text("hello from assets")
    running = RunningModal(Path(tmp_path_factory.mktemp("modal")), namespaces=request.param)
    running.deploy(SOURCE.replace("ASSETS", repr(str(assets))))
    yield running
    running.close()


def look(modal: RunningModal, code: str) -> dict[str, object]:
    if not modal.namespaces:
        pytest.skip("paths outside the code's own folder need a root of its own")
    return dict(modal.call(f'answer = modal.Function.from_name("shop", "look").remote({code!r})'))


def test_code_runs_in_its_own_folder(modal: RunningModal) -> None:
    cwd, file, _ = modal.call('answer = modal.Function.from_name("shop", "plain").remote()')
    assert cwd.endswith("/root")
    assert file == f"{cwd}/shop.py"
    assert (cwd == "/root") is bool(modal.namespaces)


def test_volumes_are_at_their_paths(modal: RunningModal) -> None:
    (modal.volumes.directory("vo-fixed") / "in.txt").write_text("from outside")
    found = look(
        modal,
        "Path('/data/out.txt').write_text('from inside')\n"
        "Path('/root/part/deep.txt').write_text('deep')\n"
        "found['in'] = Path('/fixed/in.txt').read_text()",
    )
    folder = modal.volumes.directory("vo-data")
    assert found == {"in": "from outside"}
    assert (folder / "out.txt").read_text() == "from inside"
    assert (modal.volumes.directory("vo-part") / "inner" / "deep.txt").read_text() == "deep"


def test_a_read_only_volume_is_not_written_to(modal: RunningModal) -> None:
    code = "try:\n    Path('/fixed/x').write_text('x')\nexcept OSError as error:\n    found['error'] = error.strerror"
    assert look(modal, code) == {"error": "Read-only file system"}


def test_local_files_are_at_their_paths_also_in_folders_of_the_system(modal: RunningModal) -> None:
    code = (
        "found['assets'] = Path('/assets/hello.txt').read_text()\n"
        "found['own'] = Path('/etc/own.conf').read_text()\n"
        "found['passwd'] = Path('/etc/passwd').exists()"
    )
    assert look(modal, code) == {"assets": "hello from assets", "own": "hello from assets", "passwd": True}


def test_the_rest_of_this_machine_is_out_of_reach(modal: RunningModal, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    code = (
        f"found['secret'] = Path({str(tmp_path / 'secret')!r}).exists()\n"
        f"found['home'] = Path({os.environ.get('HOME', '/root')!r}, '.bash_history').exists()\n"
        "Path('/tmp/mine').write_text('x'); Path('/anywhere').mkdir()\n"
        "try:\n    Path('/usr/mine').write_text('x')\nexcept OSError as error:\n    found['usr'] = error.strerror"
    )
    assert look(modal, code) == {"secret": False, "home": False, "usr": "Read-only file system"}
    assert not Path("/tmp/mine").exists()
    assert not Path("/anywhere").exists()


def test_a_machine_without_namespaces_says_what_is_missing(modal: RunningModal) -> None:
    if modal.namespaces:
        pytest.skip("this one has them")
    code = "found['data'] = Path.cwd().joinpath('..', 'data').resolve().name"
    found = modal.call(f'answer = modal.Function.from_name("shop", "look").remote({code!r})')
    assert found == {"data": "vo-data"}
    assert "/data is not there: this machine allows no mount namespaces" in modal.said()


def test_volumes_are_committed_at_the_end_and_nothing_is_left(modal: RunningModal) -> None:
    modal.call('answer = modal.Function.from_name("shop", "look").remote("")')
    (task,) = [
        task
        for task in modal.ask(modal.fleet.tasks)
        if modal.world.functions[task.function_id].name == "look"
    ]
    modal.ask(lambda: modal.fleet.stop_task(task.task_id, graceful=True))
    modal.until(lambda: modal.fleet.task(task.task_id).state is TaskState.STOPPED)
    assert "vo-data" in modal.volumes.commits
    modal.until(lambda: not (modal.state / "tasks" / task.task_id).exists())
    assert (modal.volumes.directory("vo-data")).exists()
