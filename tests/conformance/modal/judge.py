"""Drives a local Modal with the official client and CLI of this interpreter, and says of each thing whether it worked.

One JSON line for each check: {"check": name, "ok": true} or {"check": name, "ok": false, "error": text}. Nothing of this
project is imported: any release of the client can run it.
"""

import json
import os
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path

import modal

SHOP = Path(__file__).with_name("shop.py")
PATIENCE_S = 40.0
CHECKS: list[Callable[[], None]] = []


def check(work: Callable[[], None]) -> Callable[[], None]:
    CHECKS.append(work)
    return work


def cli(*words: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "modal", *words],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, f"modal {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def function(name: str) -> modal.Function:
    return modal.Function.from_name("shop", name)


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"


def raises(kind: type[BaseException], work: Callable[[], object]) -> BaseException:
    try:
        given = work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised, but {given!r} came")


def equal(given: object, wanted: object) -> None:
    assert given == wanted, f"{given!r} came, not {wanted!r}"


@check
def secrets() -> None:
    modal.Secret.objects.create("shop-keys", {"SHOP_KEY": "brass"}, allow_existing=True)
    assert "shop-keys" in [item.name for item in modal.Secret.objects.list()]
    error = raises(
        modal.exception.Error, lambda: modal.Secret.from_name("shop-keys", required_keys=["OTHER"]).hydrate()
    )
    assert "OTHER" in str(error), str(error)


@check
def deploy() -> None:
    assert "App deployed" in cli("deploy", str(SHOP))


@check
def deploy_without_a_change() -> None:
    assert "no changes" in cli("deploy", str(SHOP)).lower()


@check
def call() -> None:
    equal(function("double").remote(21), 42)


@check
def secrets_in_containers() -> None:
    equal(function("secret").remote(), "brass")


@check
def map_in_order() -> None:
    equal(list(function("double").map(range(40))), [2 * x for x in range(40)])


@check
def spawn() -> None:
    call = function("double").spawn(4)
    equal(modal.FunctionCall.from_id(call.object_id).get(timeout=PATIENCE_S), 8)


@check
def errors_of_the_handler() -> None:
    equal(str(raises(LookupError, lambda: function("fail").remote("luck"))), "no luck")


@check
def a_container_that_exits() -> None:
    error = raises(modal.exception.InternalFailure, lambda: function("crash").remote("Python"))
    assert "exited with code 3" in str(error), str(error)
    equal(function("crash").remote("Python"), 2)


@check
def generators() -> None:
    equal(list(function("count").remote_gen(4)), [0, 1, 2, 3])


@check
def classes_with_parameters() -> None:
    Greeter = modal.Cls.from_name("shop", "Greeter")
    hi, plain = Greeter(greeting="hi"), Greeter()
    equal(hi.greet.remote("Ann"), "hi Ann, number 1")
    equal(hi.greet.remote("Ben"), "hi Ben, number 2")
    equal(plain.greet.remote("Cy"), "hello Cy, number 1")
    equal(list(hi.letters.remote_gen()), ["h", "i"])


@check
def batching() -> None:
    batch = function("batch")
    batch.remote(0)
    equal(list(batch.map(range(3))), [[0, 3], [1, 3], [2, 3]])


@check
def retries() -> None:
    equal(function("flaky").remote("waited for"), 2)
    equal(function("flaky").spawn("spawned").get(timeout=PATIENCE_S), 2)


@check
def cancel() -> None:
    call = function("sleep").spawn(600)
    until(lambda: function("sleep").get_current_stats().num_total_runners, "a container")
    call.cancel()
    raises(modal.exception.Error, lambda: call.get(timeout=PATIENCE_S))


@check
def web_endpoints() -> None:
    url = function("web").get_web_url()
    assert url is not None
    with urllib.request.urlopen(
        urllib.request.Request(url, data=b"bread", method="POST"), timeout=60
    ) as answer:
        equal((answer.status, answer.headers["x-shop"], answer.read()), (201, "open", b"POST bread"))


@check
def volumes() -> None:
    volume = modal.Volume.from_name("shop-files", create_if_missing=True)
    with volume.batch_upload() as batch:
        batch.put_file(SHOP, "/code/shop.py")
    equal(b"".join(volume.read_file("code/shop.py")), SHOP.read_bytes())
    equal([entry.path for entry in volume.listdir("/", recursive=True)], ["code", "code/shop.py"])
    volume.remove_file("code", recursive=True)
    equal(list(volume.listdir("/")), [])
    assert "shop-files" in [item.name for item in modal.Volume.objects.list()]
    modal.Volume.objects.delete("shop-files")
    raises(modal.exception.NotFoundError, lambda: modal.Volume.from_name("shop-files").hydrate())


@check
def volumes_in_containers() -> None:
    function("write").remote("flour")
    equal(b"".join(modal.Volume.from_name("shop-data").read_file("note.txt")), b"flour")


@check
def dicts() -> None:
    notes = modal.Dict.from_name("shop-notes")
    notes["a"] = {"n": [1, 2]}
    notes.update({"b": 2, ("c", 3): None})
    equal(
        (notes["a"], notes.get("z", 7), "b" in notes, notes.pop("b"), "b" in notes),
        ({"n": [1, 2]}, 7, True, 2, False),
    )
    assert notes.put("a", 1, skip_if_exists=True) is False
    raises(KeyError, lambda: notes["z"])
    assert ("c", 3) in list(notes.keys())


@check
def queues() -> None:
    line = modal.Queue.from_name("shop-line", create_if_missing=True)
    call = function("pass_on").spawn(3)
    line.put_many([1, 2, 3], partition="in")
    equal([line.get(partition="out", timeout=PATIENCE_S) for _ in range(3)], [2, 3, 4])
    call.get(timeout=PATIENCE_S)
    equal((line.len(partition="out"), line.get(block=False)), (0, None))


@check
def schedules() -> None:
    until(lambda: modal.Dict.from_name("shop-notes").get("ticks", 0) >= 2, "a second tick")


@check
def logs() -> None:
    assert "doubling 21" in cli("app", "logs", "shop", "--search", "doubling 21")


@check
def logs_of_one_call() -> None:
    call = function("double").spawn(77)
    call.get(timeout=PATIENCE_S)
    assert "doubling 77" in "".join(entry.message for entry in call.logs.stream())


@check
def environments() -> None:
    modal.Environment.objects.create("shop-stage")
    error = raises(
        modal.exception.NotFoundError,
        lambda: modal.Function.from_name("shop", "double", environment_name="shop-stage").hydrate(),
    )
    assert "shop-stage" in str(error), str(error)
    cli("deploy", str(SHOP.with_name("corner.py")), "--env", "shop-stage")
    equal(modal.Function.from_name("corner", "half", environment_name="shop-stage").remote(4), 2.0)
    modal.Environment.objects.delete("shop-stage")
    equal([item.name for item in modal.Environment.objects.list()], ["main"])


@check
def unknown_environment() -> None:
    lookup = modal.Function.from_name("shop", "double", environment_name="nowhere")
    assert "nowhere" in str(raises(modal.exception.NotFoundError, lookup.hydrate))


@check
def rollback() -> None:
    cli("deploy", str(SHOP), SHOP_VERSION="2")
    until(lambda: function("version").remote() == "2", "version 2")
    cli("app", "rollback", "shop", "v1")
    until(lambda: function("version").remote() == "1", "version 1")
    history = json.loads(cli("app", "history", "shop", "--json"))
    equal(len(history), 3)


@check
def stop() -> None:
    assert "shop" in [item["description"] for item in json.loads(cli("app", "list", "--json"))]
    cli("app", "stop", "shop", "--yes")
    raises(modal.exception.NotFoundError, lambda: function("double").remote(1))
    until(lambda: not json.loads(cli("container", "list", "--json")), "the end of its containers")


def main() -> None:
    for work in CHECKS:
        line: dict[str, object] = {"check": work.__name__, "ok": True}
        began = time.monotonic()
        try:
            work()
        except Exception as error:
            line = {"check": work.__name__, "ok": False, "error": "".join(traceback.format_exception(error))}
        print(json.dumps({**line, "seconds": round(time.monotonic() - began, 2)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
