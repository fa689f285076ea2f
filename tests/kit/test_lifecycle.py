"""Create, read, update, delete as the engine calls them, in good and in bad weather."""

import asyncio

import grpc
import pytest

from infra.kit import Cancelled, InitFailed, NotFound
from infra.kit.protos import provider_pb2, status_pb2
from infra.kit.wire import Secret, decode
from infra.spec.errors import PilotlightError
from infra.spec.findings import UNKNOWN
from tests.kit.driver import driven, run


def init_failure(error):
    """What the engine reads from a failed create or update: id, outputs and reasons to keep."""
    metadata = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


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


def test_a_create_that_fails_after_the_id_keeps_it_and_the_next_update_repairs(cloud, root):
    async def fail(ctx):
        raise InitFailed(ctx.created_id, None, ["worker 1 did not start", "worker 2 did not start"])

    async def body():
        cloud.before_ready = fail
        async with driven(cloud, root) as engine:
            inputs = await engine.check({"image": "a"})
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(inputs)
            detail = init_failure(failed.value)
            assert detail.id == "box-1"
            assert list(detail.reasons) == ["worker 1 did not start", "worker 2 did not start"]
            assert failed.value.details() == "worker 1 did not start; worker 2 did not start"
            outputs = decode(detail.properties)
            assert outputs["image"] == "a"
            # The engine calls Update even where Diff sees nothing, or only what needs no call.
            for program in ({"image": "a"}, {"image": "a", "intent": {"w": 1}}):
                cloud.calls.clear()
                news = await engine.check(program, inputs)
                repaired = await engine.update("box-1", outputs, inputs, news)
                assert "update" in cloud.calls
                assert "__unfinished" not in repaired

    run(body())


@pytest.mark.parametrize("error", [ValueError("boom"), PilotlightError("boom")])
def test_any_error_after_the_id_keeps_it(cloud, error):
    async def fail(ctx):
        raise error

    async def body():
        cloud.before_ready = fail
        async with driven(cloud) as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(await engine.check({"image": "a"}))
            detail = init_failure(failed.value)
            assert detail.id == "box-1"
            assert "boom" in detail.reasons[0]

    run(body())


def test_an_update_may_fail_half_way_too(cloud):
    async def fail(ctx):
        raise InitFailed("box-1", None, ["rollout stuck"])

    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            cloud.on_update = fail
            news = await engine.check({"image": "b"}, inputs)
            with pytest.raises(grpc.RpcError) as failed:
                await engine.update(id, outputs, inputs, news)
            assert list(init_failure(failed.value).reasons) == ["rollout stuck"]

    run(body())


def test_an_error_before_the_id_is_plain_text_and_saves_nothing(cloud):
    async def fail(ctx):
        raise PilotlightError("the cloud is full", wanted="room", fix="take another region")

    async def body():
        cloud.before_id = fail
        async with driven(cloud) as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(await engine.check({"image": "a"}))
            assert failed.value.details() == "the cloud is full\n  Wanted: room\n  Fix: take another region"
            assert "grpc-status-details-bin" not in dict(failed.value.trailing_metadata())

    run(body())


def test_a_bug_is_one_clean_line_without_secrets(cloud):
    async def fail(ctx):
        raise KeyError("token s3cr3t-token\nwas odd")

    async def body():
        cloud.before_id = fail
        async with driven(cloud, apiKey="s3cr3t") as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(await engine.check({"image": "a", "env": {"T": Secret("s3cr3t-token")}}))
            text = failed.value.details()
            assert text.startswith("internal error in toy:index:Box Create: KeyError: ")
            assert "PILOTLIGHT_DEBUG=1" in text
            assert "\n" not in text
            assert "s3cr3t" not in text

    run(body())


def test_a_plain_error_masks_secrets_too(cloud):
    async def fail(ctx):
        raise PilotlightError("the cloud answered 401 for key s3cr3t-key", fix="set PASSWORD=hunter22")

    async def body():
        cloud.before_id = fail
        async with driven(cloud, apiKey="s3cr3t-key") as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(await engine.check({"image": "a", "password": "hunter22"}))
            assert failed.value.details() == (
                "the cloud answered 401 for key [secret]\n  Fix: set PASSWORD=[secret]"
            )

    run(body())


def test_an_update_without_a_difference_still_reaches_the_cloud(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            assert (await engine.update(id, outputs, inputs, inputs))["version"] == 2

    run(body())


@pytest.mark.parametrize("method", ["create", "update", "delete"])
def test_custom_timeouts_end_a_call(cloud, method):
    async def hang(ctx):
        assert ctx.timeout == 0.05
        await ctx.sleep(3600)

    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            other = await engine.check({"image": "a", "region": "us"})
            id, outputs = await engine.create(inputs)
            news = await engine.check({"image": "b"}, inputs)
            cloud.before_ready = cloud.on_update = cloud.on_delete = hang
            call = {
                "create": lambda: engine.create(other, timeout=0.05),
                "update": lambda: engine.update(id, outputs, inputs, news, timeout=0.05),
                "delete": lambda: engine.delete(id, outputs, inputs, timeout=0.05),
            }[method]
            with pytest.raises(grpc.RpcError) as failed:
                await call()
            if method == "create":
                assert init_failure(failed.value).id == "box-2"
            assert "not finished after 0.05 s" in failed.value.details()
            assert "customTimeouts" in failed.value.details()

    run(body())


def test_the_default_time_limit_is_the_resources_own(cloud):
    async def look(ctx):
        assert ctx.timeout == 600
        assert 590 < ctx.remaining() <= 600

    async def body():
        cloud.before_id = look
        async with driven(cloud) as engine:
            await engine.create(await engine.check({"image": "a"}))

    run(body())


def test_cancel_ends_a_waiting_create_at_once_and_keeps_its_id(cloud):
    async def body():
        waiting = asyncio.Event()

        async def wait(ctx):
            waiting.set()
            try:
                await ctx.sleep(3600)
            except Cancelled:
                assert ctx.cancelled.is_set()
                raise

        cloud.before_ready = wait
        async with driven(cloud) as engine:
            create = asyncio.ensure_future(engine.create(await engine.check({"image": "a"})))
            await waiting.wait()
            started = asyncio.get_running_loop().time()
            await engine.cancel()
            with pytest.raises(grpc.RpcError) as failed:
                await create
            assert asyncio.get_running_loop().time() - started < 1
            assert init_failure(failed.value).id == "box-1"
            assert "stopped before it was finished" in failed.value.details()

    run(body())


def test_cancel_lets_a_call_in_flight_bring_home_its_id(cloud):
    async def body():
        waiting, answer = asyncio.Event(), asyncio.Event()

        async def in_flight(ctx):
            waiting.set()
            await answer.wait()

        async def never(ctx):
            await asyncio.Event().wait()

        cloud.before_id, cloud.before_ready = in_flight, never
        async with driven(cloud) as engine:
            create = asyncio.ensure_future(engine.create(await engine.check({"image": "a"})))
            await waiting.wait()
            await engine.cancel()
            assert not create.done()
            answer.set()
            with pytest.raises(grpc.RpcError) as failed:
                await create
            assert init_failure(failed.value).id == "box-1"

    run(body())


def test_status_lines_and_warnings_reach_the_engine_in_order(cloud):
    async def talk(ctx):
        ctx.status("provisioning 1/2")
        ctx.status("provisioning 2/2")
        ctx.warn("slow today")

    async def body():
        cloud.before_ready = talk
        async with driven(cloud) as engine:
            await engine.create(await engine.check({"image": "a"}))
            assert engine.engine.lines == [
                (1, "provisioning 1/2", True),
                (1, "provisioning 2/2", True),
                (2, "slow today", False),
            ]

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
