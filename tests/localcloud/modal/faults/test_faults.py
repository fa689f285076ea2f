"""What goes wrong between the official client and the cloud: restarts, lost answers, two at once."""

import subprocess
import sys
import threading

import pytest
from modal_proto import api_pb2

from infra.localcloud.core.faults import Fault, FaultKind
from tests.localcloud.modal.running import PATIENCE_S
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-cli")

SOURCE = """
notes = modal.Dict.from_name("notes", create_if_missing=True)

@app.function(max_containers=1)
def note(name):
    notes[name] = notes.get(name, 0) + 1
    return notes[name]

@app.function(max_containers=1)
def until_told(name):
    notes[name] = notes.get(name, 0) + 1
    while not notes.get("go " + name):
        pass
    return notes[name]

@app.cls(max_containers=1)
class Model:
    @modal.method()
    def predict(self, request):
        raise ValueError(f"cannot rank {request['what']}")
"""


@pytest.fixture(scope="module")
def shop(modal: WholeModal) -> WholeModal:
    modal.deploy(SOURCE)
    return modal


def test_an_error_in_predict_reaches_the_caller_as_it_was(shop: WholeModal) -> None:
    code = """
try:
    modal.Cls.from_name("shop", "Model")().predict.remote({"what": "bread"})
except ValueError as error:
    answer = [type(error).__name__, str(error)]
"""
    assert shop.call(code) == ["ValueError", "cannot rank bread"]


@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.DROP_AFTER])
def test_calls_whose_answers_are_lost_on_every_way_run_once(shop: WholeModal, kind: FaultKind) -> None:
    ways = ("FunctionMap", "FunctionGetOutputs", "FunctionPutOutputs", "FunctionGetInputs")
    faults = {way: Fault(kind=kind, path=f"/{way}", target="modal", times=1) for way in ways}
    shop.ask(lambda: shop.world.faults.replace(faults))
    code = f"""
note = modal.Function.from_name("shop", "note")
answer = [note.remote({str(kind)!r}) for _ in range(4)]
"""
    assert shop.call(code) == [1, 2, 3, 4]
    assert shop.ask(shop.world.faults.active) == {}


def test_a_caller_that_waits_gets_its_answer_over_a_restart(shop: WholeModal) -> None:
    caller = shop.start_python(
        'print("got", modal.Function.from_name("shop", "until_told").remote("restart"))'
    )
    shop.until(lambda: any(item.task_id for item in shop.fleet.book.unfinished()))
    shop.restart()
    shop.python('modal.Dict.from_name("notes", create_if_missing=True)["go restart"] = True')
    said, _ = caller.communicate(timeout=PATIENCE_S)
    assert caller.returncode == 0, said
    assert "got " in said


def test_two_deploys_of_one_app_at_once_leave_one_of_them(shop: WholeModal) -> None:
    """Both end well or say to deploy again, and what answers is the newest version in full."""
    said: dict[str, tuple[int, str]] = {}

    def deploy(word: str) -> None:
        code = shop.state / "code" / word / "twin.py"
        code.parent.mkdir(parents=True)
        code.write_text(
            "import modal\napp = modal.App('twin', image=modal.Image.debian_slim('3.11'))\n"
            + "".join(
                f"@app.function(max_containers=1)\ndef part{n}():\n    return {word!r}\n" for n in range(2)
            )
        )
        done = subprocess.run(
            [sys.executable, "-m", "modal", "deploy", str(code)],
            env=shop.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        said[word] = (done.returncode, done.stdout + done.stderr)

    threads = [threading.Thread(target=deploy, args=(word,)) for word in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(code == 0 for code, _ in said.values()), said
    assert all(code == 0 or "deploy it again" in text for code, text in said.values()), said
    apps = [app for app in shop.world.apps.values() if app.name == "twin" and app.running]
    assert [app.state for app in apps] == [api_pb2.APP_STATE_DEPLOYED]
    answer = shop.call('answer = [modal.Function.from_name("twin", f"part{n}").remote() for n in range(2)]')
    assert answer in (["left"] * 2, ["right"] * 2)


def test_a_command_that_is_not_known_here_says_so_in_one_line(shop: WholeModal) -> None:
    said = shop.modal("container", "exec", "ta-0000000000000000000000", "ls", ok=False)
    assert "The local cloud does not know" in said
    assert "Traceback" not in said
