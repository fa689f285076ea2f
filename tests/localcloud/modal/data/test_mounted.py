"""Volumes and network file systems inside of functions, by the official container entrypoint."""

import pytest

from infra.localcloud.core import namespace
from infra.localcloud.modal.model import LogFilter
from tests.localcloud.modal.whole import WholeModal

pytestmark = [
    pytest.mark.xdist_group("modal-data"),
    pytest.mark.skipif(not namespace.possible(), reason="this kernel allows no mount namespaces"),
]

SOURCE = """
data = modal.Volume.from_name("data", create_if_missing=True, version=2)
other = modal.Volume.from_name("other", create_if_missing=True)

@app.function(image=image, volumes={"/data": data}, max_containers=1)
def append(text):
    with open("/data/log.txt", "a") as file:
        file.write(text)
    data.commit()
    return open("/data/log.txt").read()

@app.function(image=image, volumes={"/data": data.with_mount_options(read_only=True)}, max_containers=1)
def read(name):
    data.reload()
    return open("/data/" + name).read()

@app.function(image=image, volumes={"/data": data}, max_containers=1)
def stranger():
    try:
        other.commit()
    except RuntimeError as error:
        return str(error)
"""


@pytest.fixture(scope="module")
def shop(modal: WholeModal) -> WholeModal:
    modal.deploy(SOURCE)
    return modal


def call(name: str, *arguments: str) -> str:
    return f'modal.Function.from_name("shop", "{name}").remote({", ".join(map(repr, arguments))})'


def test_functions_write_and_read_what_others_do(shop: WholeModal) -> None:
    assert shop.call(f"answer = [{call('append', 'a')}, {call('append', 'b')}]") == ["a", "ab"]
    assert shop.modal("volume", "get", "data", "log.txt", "-").startswith("ab")
    local = shop.state / "given.txt"
    local.write_text("given")
    shop.modal("volume", "put", "data", str(local), "/in/given.txt")
    assert shop.call(f"answer = [{call('read', 'in/given.txt')}, {call('read', 'log.txt')}]") == [
        "given",
        "ab",
    ]


def test_only_what_is_mounted_is_committed(shop: WholeModal) -> None:
    assert "is not mounted here" in shop.call(f"answer = {call('stranger')}")
    code = """
try:
    modal.Volume.from_name("data").commit()
except RuntimeError as error:
    answer = str(error)
"""
    assert "only inside of a container" in shop.call(code)


def test_a_volume_that_is_in_use_can_go_and_then_no_container_starts(shop: WholeModal) -> None:
    shop.deploy(
        """
gone = modal.Volume.from_name("gone", create_if_missing=True)

@app.function(image=image, volumes={"/gone": gone}, max_containers=1)
def look():
    import os
    return os.listdir("/gone")
""",
        name="late",
    )
    look = 'modal.Function.from_name("late", "look")'
    assert shop.call(f"answer = {look}.remote()") == []
    shop.modal("volume", "delete", "gone", "--yes")
    for task in shop.ask(lambda: [view.task_id for view in shop.fleet.tasks()]):
        shop.ask(lambda task=task: shop.fleet.stop_task(task, False))
    shop.until(lambda: not shop.fleet.tasks(shop.world.deployed("late", "main").app_id))
    said = shop.python(f"{look}.remote()", ok=False)
    lines = shop.ask(lambda: shop.fleet.logs(shop.world.deployed("late", "main").app_id, LogFilter()))
    assert "is gone" in said + "".join(line.text for line in lines)
