"""Every way that an input or a container can end, with the official client and the official entrypoint."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.localcloud.modal.model import TaskState
from tests.localcloud.modal.running import RunningModal

pytestmark = pytest.mark.xdist_group("modal")

SOURCE = """
import os, time

tries = {}

@app.function(max_containers=1)
def leave(code):
    os._exit(code)

@app.function(max_containers=1)
def wait(seconds):
    print("waiting", flush=True)
    time.sleep(seconds)
    return "waited"

@app.function(max_containers=1)
@modal.concurrent(max_inputs=4)
async def wait_together(seconds):
    import asyncio
    print("waiting", flush=True)
    await asyncio.sleep(seconds)
    return "waited"

@app.function(max_containers=1, timeout=1)
def too_long():
    time.sleep(1000)

@app.function(max_containers=1, timeout=1)
def deaf():
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass

@app.function(max_containers=1, retries=modal.Retries(max_retries=2, initial_delay=1.0, backoff_coefficient=1.0))
def third_time(name):
    tries[name] = tries.get(name, "") + "x"
    if len(tries[name]) < 3:
        raise ValueError(tries[name])
    return tries[name]

@app.function(max_containers=1, single_use_containers=True)
def once():
    return os.environ["MODAL_TASK_ID"]

@app.function(max_containers=1, scaledown_window=2)
def brief():
    return os.environ["MODAL_TASK_ID"]

@app.function(max_containers=1)
def leave_behind():
    import subprocess
    return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid

@app.cls(max_containers=1)
class CannotEnter:
    @modal.enter()
    def load(self):
        raise KeyError("weights")

    @modal.method()
    def hi(self):
        return "hi"

@app.cls(max_containers=1)
class Ends:
    @modal.method()
    def hi(self):
        return os.environ["MODAL_TASK_ID"]

    @modal.exit()
    def end(self):
        print("ending", flush=True)
"""

BROKEN = """
@app.function(max_containers=1)
def f():
    return 1

import os
if os.environ.get("MODAL_IS_REMOTE"):
    raise RuntimeError("cannot be imported")
"""

DIES = """
@app.function(max_containers=1)
def f():
    return 1

import os
if os.environ.get("MODAL_IS_REMOTE"):
    print("out of luck", flush=True)
    os._exit(3)
"""


@pytest.fixture(scope="module")
def shop(modal: RunningModal) -> RunningModal:
    modal.deploy(SOURCE)
    return modal


def outcome(shop: RunningModal, call: str) -> list[str]:
    """Type and text of the exception that the call raises."""
    code = f"""
try:
    answer = ["fine", {call}]
except BaseException as error:
    answer = [type(error).__name__, str(error)]
"""
    return list(shop.call(code))


def running_of(shop: RunningModal, name: str) -> Any:
    """The containers of a function that work on an input."""

    def look() -> list[Any]:
        pools = [pool for pool in shop.fleet._pools.values() if pool.record.name == name]
        return [item for pool in pools for item in pool.crew.containers.values() if item.running]

    return look


def function(name: str) -> str:
    return f'modal.Function.from_name("shop", "{name}")'


def test_a_function_that_exits_its_process_fails_its_input(shop: RunningModal) -> None:
    kind, text = outcome(shop, f"{function('leave')}.remote(7)")
    assert kind == "InternalFailure"
    assert "exited with code 7" in text


def test_an_exit_without_an_error_is_a_crash_too(shop: RunningModal) -> None:
    assert outcome(shop, f"{function('leave')}.remote(0)")[0] == "InternalFailure"


def test_a_container_killed_in_its_work_fails_its_input_and_the_next_gets_another(shop: RunningModal) -> None:
    call = shop.start_python(f"{function('wait')}.remote(1000)")
    (container,) = shop.until(running_of(shop, "wait"))
    os.killpg(container.process.pid, signal.SIGKILL)
    said = call.communicate(timeout=60)[0]
    assert "InternalFailure" in said
    assert "killed by signal 9" in said
    assert shop.call(f"answer = {function('wait')}.remote(0)") == "waited"


def test_a_timeout_interrupts_the_input_and_keeps_the_container(shop: RunningModal) -> None:
    kind, text = outcome(shop, f"{function('too_long')}.remote()")
    assert kind == "FunctionTimeoutError"
    assert "timeout of 1s" in text
    (task,) = [item for item in shop.ask(shop.fleet.tasks) if name_of(shop, item) == "too_long"]
    shop.until(lambda: shop.fleet.task(task.task_id).state is TaskState.IDLE)


def test_a_container_that_cannot_be_interrupted_is_killed(shop: RunningModal) -> None:
    assert outcome(shop, f"{function('deaf')}.remote()")[0] == "FunctionTimeoutError"
    (task,) = [item for item in shop.ask(shop.fleet.tasks) if name_of(shop, item) == "deaf"]
    shop.until(lambda: shop.fleet.task(task.task_id).state is TaskState.STOPPED)
    assert "could not be interrupted" in shop.ask(lambda: shop.fleet.task(task.task_id)).reason


@pytest.mark.parametrize("name", ["wait", "wait_together"])
def test_a_cancelled_call_ends_at_once_and_its_container_goes_on(shop: RunningModal, name: str) -> None:
    code = f"""
call = {function(name)}.spawn(1000)
print(call.object_id, flush=True)
try:
    call.get()
except BaseException as error:
    print(type(error).__name__)
"""
    waiting = shop.start_python(code)
    assert waiting.stdout is not None
    call_id = waiting.stdout.readline().strip()
    (container,) = shop.until(running_of(shop, name))
    shop.python(f"modal.FunctionCall.from_id({call_id!r}).cancel()")
    assert waiting.communicate(timeout=60)[0].strip().endswith(("RemoteError", "InputCancellation"))
    shop.until(lambda: container.idle)


def test_a_queued_call_is_cancelled_before_it_starts(shop: RunningModal) -> None:
    code = f"""
wait = {function("wait")}
first, second = wait.spawn(1000), wait.spawn(1000)
second.cancel()
first.cancel(terminate_containers=True)
answer = []
for call in (second, first):
    try:
        call.get(timeout=30)
    except BaseException as error:
        answer.append(type(error).__name__)
"""
    assert shop.call(code) == ["RemoteError", "RemoteError"]


def test_a_waiting_caller_retries_by_itself(shop: RunningModal) -> None:
    assert shop.call(f"answer = {function('third_time')}.remote('a')") == "xxx"


def test_a_spawned_call_is_retried_by_the_cloud(shop: RunningModal) -> None:
    assert shop.call(f"answer = {function('third_time')}.spawn('b').get()") == "xxx"


def test_a_map_retries_its_inputs(shop: RunningModal) -> None:
    assert shop.call(f"answer = list({function('third_time')}.map(['c', 'd']))") == ["xxx", "xxx"]


def test_a_container_for_a_single_use_takes_one_input(shop: RunningModal) -> None:
    tasks = shop.call(f"answer = [{function('once')}.remote() for _ in range(3)]")
    assert len(set(tasks)) == 3


def test_an_idle_container_goes_after_the_scaledown_window(shop: RunningModal) -> None:
    task = shop.call(f"answer = {function('brief')}.remote()")
    shop.until(lambda: shop.fleet.task(task).state is TaskState.STOPPED)
    assert shop.ask(lambda: shop.fleet.task(task)).reason == ""


def test_an_enter_hook_that_fails_fails_what_waits_with_its_own_error(shop: RunningModal) -> None:
    assert outcome(shop, 'modal.Cls.from_name("shop", "CannotEnter")().hi.remote()') == [
        "KeyError",
        "'weights'",
    ]


def test_exit_hooks_run_when_a_container_is_stopped(shop: RunningModal) -> None:
    hi = 'modal.Cls.from_name("shop", "Ends")().hi.remote()'
    for graceful in (True, False):
        task = shop.call(f"answer = {hi}")
        assert shop.ask(lambda task=task, graceful=graceful: shop.fleet.stop_task(task, graceful))
        shop.until(lambda task=task: shop.fleet.task(task).state is TaskState.STOPPED)
        assert f"{task[-4:]} 1 ending" in shop.said()


def test_an_input_whose_container_is_stopped_by_a_user_is_done_by_another(shop: RunningModal) -> None:
    call = shop.start_python(f"print({function('wait')}.remote(2))")
    (container,) = shop.until(running_of(shop, "wait"))
    shop.ask(lambda: shop.fleet.stop_task(container.id, graceful=False))
    assert call.communicate(timeout=60)[0].strip() == "waited"
    assert container.record.name == "wait"


def test_what_user_code_started_ends_with_its_container(shop: RunningModal) -> None:
    pid = shop.call(f"answer = {function('leave_behind')}.remote()")
    assert Path(f"/proc/{pid}").exists()
    (task,) = [item for item in shop.ask(shop.fleet.tasks) if name_of(shop, item) == "leave_behind"]
    shop.ask(lambda: shop.fleet.stop_task(task.task_id, graceful=True))
    shop.until(lambda: not _runs(pid))


def test_a_module_that_cannot_be_imported_fails_with_its_error(modal: RunningModal) -> None:
    modal.deploy(BROKEN, name="broken")
    kind, text = outcome(modal, 'modal.Function.from_name("broken", "f").remote()')
    assert (kind, text) == ("RuntimeError", "cannot be imported")


def test_a_container_that_dies_at_its_start_fails_what_waits_after_three_tries(modal: RunningModal) -> None:
    modal.deploy(DIES, name="dies")
    kind, text = outcome(modal, 'modal.Function.from_name("dies", "f").remote()')
    assert kind == "RemoteError"
    assert "exited with code 3 before it took an input, 3 times in a row" in text


def test_a_stopped_app_terminates_what_runs_and_takes_no_more(modal: RunningModal) -> None:
    modal.deploy(SOURCE)
    call = modal.start_python(f"{function('wait')}.remote(1000)")
    modal.until(running_of(modal, "wait"))
    modal.process([sys.executable, "-m", "modal", "app", "stop", "shop", "--yes"])
    assert "RemoteError" in call.communicate(timeout=60)[0]
    modal.until(lambda: not modal.fleet.tasks())
    assert outcome(modal, f"{function('wait')}.remote(0)")[0] == "NotFoundError"


def name_of(shop: RunningModal, task: Any) -> str:
    return shop.world.functions[task.function_id].name


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
