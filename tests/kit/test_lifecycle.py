"""Create, read, update, delete as the engine calls them, in good weather."""

import asyncio

import grpc
import pytest

from infra.kit import NotFound
from infra.kit.wire import Secret, decode
from infra.spec.findings import UNKNOWN
from tests.kit.driver import driven, run


def test_a_resource_goes_through_its_whole_life(cloud, root):
    async def body():
        async with driven(cloud, root) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            assert cloud.boxes[id]["image"] == "a"
            assert outputs["url"] == f"https://{inputs['name']}.example"
            assert outputs["flavour"] == "vanilla"
            news = await engine.check({"image": "b"}, inputs)
            outputs = await engine.update(id, outputs, inputs, news)
            assert outputs["image"] == "b"
            assert outputs["version"] == 2
            response = await engine.read(id, outputs, news)
            assert response.id == id
            assert decode(response.inputs) == news
            assert decode(response.properties) == outputs
            await engine.delete(id, outputs, news)
            assert cloud.boxes == {}
            await engine.delete(id, outputs, news)

    run(body())


def test_outputs_of_secret_inputs_are_secret(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a", "env": {"K": Secret("v"), "L": "w"}, "password": "p"})
            _, outputs = await engine.create(inputs)
            assert outputs["env"] == {"K": Secret("v"), "L": "w"}
            assert outputs["password"] == Secret("p")
            assert isinstance(outputs["key"], Secret)

    run(body())


def test_a_preview_says_what_it_knows_and_what_it_does_not(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": UNKNOWN, "env": {"K": Secret("v")}})
            id, outputs = await engine.create(inputs, preview=True)
            assert id == ""
            assert outputs["image"] is UNKNOWN
            assert outputs["region"] == "eu"
            assert outputs["env"] == {"K": Secret("v")}
            assert outputs["url"] == f"https://{inputs['name']}.example"
            assert outputs["version"] is UNKNOWN
            assert outputs["flavour"] is UNKNOWN
            assert "gpu" not in outputs
            assert cloud.calls == []

    run(body())


def test_a_preview_of_an_update_keeps_what_a_silent_change_leaves_alone(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            loud = await engine.check({"image": "b"}, inputs)
            assert (await engine.update(id, outputs, inputs, loud, preview=True))["version"] is UNKNOWN
            quiet = await engine.check({"image": "a", "intent": {"w": 1}}, inputs)
            assert (await engine.update(id, outputs, inputs, quiet, preview=True))["version"] == 1
            assert cloud.boxes[id]["version"] == 1

    run(body())


def test_an_import_fills_the_inputs_without_the_defaults(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a", "name": "n", "workers": {"max": 5}, "gpu": "L4"})
            id, _ = await engine.create(inputs)
            response = await engine.read(id)
            imported = decode(response.inputs)
            assert imported == {
                "image": "a",
                "name": "n",
                "workers": {"min": 0, "max": 5},
                "gpu": "L4",
                "content": "hash-of-a",
                "flavour": "vanilla",
            }
            program = {"image": "a", "name": "n", "workers": {"max": 5}, "gpu": "L4"}
            news = await engine.check(program, imported)
            diff = await engine.diff(id, imported, news)
            assert diff.changes == diff.DIFF_NONE

    run(body())


def test_a_refresh_keeps_what_the_cloud_never_returns(cloud):
    async def body():
        async with driven(cloud) as engine:
            program = {"image": "a", "password": "p", "intent": {"w": 1}, "env": {"K": Secret("v")}}
            inputs = await engine.check(program)
            id, outputs = await engine.create(inputs)
            cloud.boxes[id]["flavour"] = "mint"
            refreshed = await engine.read(id, outputs, inputs)
            assert decode(refreshed.inputs) == inputs
            assert decode(refreshed.properties)["flavour"] == "mint"
            assert decode(refreshed.properties)["password"] == Secret("p")

    run(body())


def test_what_is_gone_reads_as_an_empty_id(cloud):
    async def missing(ctx):
        raise NotFound("no such box")

    async def body():
        async with driven(cloud) as engine:
            assert (await engine.read("box-9", {"image": "a"}, {"image": "a"})).id == ""
            cloud.on_read = missing
            assert (await engine.read("box-9", {"image": "a"}, {"image": "a"})).id == ""

    run(body())


def test_an_update_without_a_difference_still_reaches_the_cloud(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            assert (await engine.update(id, outputs, inputs, inputs))["version"] == 2

    run(body())


def test_delete_takes_not_found_for_success(cloud):
    async def missing(ctx):
        raise NotFound("no such box")

    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            cloud.on_delete = missing
            await engine.delete(id, outputs, inputs)

    run(body())


def test_a_state_of_an_older_version_still_loads(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            id, _ = await engine.create(inputs)
            old = {"image": "a", "removedLongAgo": 1, "version": "not a number"}
            news = await engine.check({"image": "b"}, inputs)
            updated = await engine.update(id, old, {"image": "a"}, news)
            assert updated["version"] == 2
            await engine.delete(id, {}, {})

    run(body())


def test_a_type_that_is_not_ours_is_named_with_its_neighbours(cloud):
    async def body():
        async with driven(cloud) as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.check({}, urn="urn:pulumi:dev::shop::toy:index:Bx::crate")
            assert failed.value.details().startswith("toy has no resource toy:index:Bx")
            assert "did you mean 'Box'" in failed.value.details()

    run(body())


def test_the_client_is_made_once_and_only_for_a_real_call(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            assert "connect" not in cloud.calls
            await asyncio.gather(*(engine.create(inputs) for _ in range(3)))
            assert cloud.calls.count("connect") == 1

    run(body())
