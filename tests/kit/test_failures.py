"""Create and update in bad weather: errors, time limits, stops, and what the engine keeps."""

import asyncio

import grpc
import pytest

from infra.kit import Cancelled, InitFailed
from infra.kit.protos import provider_pb2, status_pb2
from infra.kit.wire import Secret, decode
from infra.spec.errors import PilotlightError
from tests.kit.driver import driven, run


def init_failure(error):
    """What the engine reads from a failed create or update: id, outputs and reasons to keep."""
    metadata = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


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
