"""Promise 1: nothing leaks, nothing is stolen. A context of `driven` that is left without Cancel is a killed provider."""

import asyncio
from contextlib import suppress

import grpc
import pytest

from infra.kit.mark import HIDDEN, Entry, Mark
from infra.kit.protos import provider_pb2
from infra.kit.wire import decode
from tests.kit.driver import driven, journal_lines, run
from tests.kit.toy import URN, Cloud

A = {"image": "a"}


async def killed_in_create(cloud, root, inputs_of, point="before_ready", **more):
    """A provider process that dies while the cloud works: nothing of its create reaches the engine."""
    reached = asyncio.Event()

    async def hang(ctx):
        reached.set()
        await asyncio.Event().wait()

    setattr(cloud, point, hang)
    async with driven(cloud, root, **more) as engine:
        create = asyncio.ensure_future(engine.create(await inputs_of(engine)))
        await reached.wait()
        create.cancel()
        with suppress(asyncio.CancelledError):
            await create
    setattr(cloud, point, None)


async def up(cloud, root, program=A, **more):
    """A whole first run that ends in order: id, inputs, outputs as the engine saves them."""
    async with driven(cloud, root, **more) as engine:
        inputs = await engine.check(program)
        id, outputs = await engine.create(inputs)
        await engine.cancel()
    return id, inputs, outputs


def test_a_mark_says_whose_for_what_and_with_which_inputs(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check(A)
            same = await engine.check({"image": "b"})
            others = [
                await engine.check({**A, "region": "us"}),
                await engine.check(A, urn=URN.replace("crate", "other")),
            ]
            await engine.create(inputs)
            text = cloud.boxes["box-1"]["mark"]
            mark = Mark.parse(text)
            assert mark is not None
            assert str(mark) == text
            assert mark.instance == "abcdefgh"
            assert len(text) <= 40
            assert inputs[HIDDEN].startswith(text + "+")
            assert same[HIDDEN].startswith(text + "+")
            assert not any(other[HIDDEN].startswith(text + "+") for other in others)
        async with driven(cloud, instance="zzzzzzzz") as engine:
            assert text not in (await engine.check(A))[HIDDEN]

    run(body())


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("point", ["before_id", "before_ready"])
def test_a_killed_create_is_adopted_by_the_next(cloud, root, point, journal):
    async def body():
        where = root if journal else None
        await killed_in_create(cloud, where, lambda engine: engine.check(A), point)
        made = list(cloud.boxes)
        async with driven(cloud, where) as engine:
            id, outputs = await engine.create(await engine.check({"image": "b"}))
            assert list(cloud.boxes) == [id]
            assert not made or made == [id]
            assert outputs["image"] == cloud.boxes[id]["image"] == "b"

    run(body())


def test_another_checkout_never_adopts(cloud, root, tmp_path):
    async def body():
        await killed_in_create(cloud, root, lambda engine: engine.check(A))
        async with driven(cloud, tmp_path / "elsewhere", instance="zzzzzzzz") as engine:
            id, _ = await engine.create(await engine.check(A))
            assert id == "box-2"
            assert len(cloud.boxes) == 2

    run(body())


def test_a_foreign_object_in_the_way_is_refused_and_the_import_named(cloud):
    async def body():
        cloud.boxes["box-0"] = {"name": "mine", "mark": "by hand"}
        async with driven(cloud) as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(await engine.check({"image": "a", "name": "mine"}))
            assert "`pulumi import toy:index:Box crate box-0`" in failed.value.details()
            assert list(cloud.boxes) == ["box-0"]

    run(body())


async def replace_by_flag(engine, inputs, program=A):
    """`--replace`, as the engine does it: Check with empty olds, no Diff, no old state."""
    return await engine.check(program)


async def replace_by_diff(engine, inputs, program=A):
    """A replacement that the engine decides on although the inputs are the same (replaceOnChanges)."""
    await engine.check(program, inputs)
    await engine.diff("box-1", inputs, inputs)
    return await engine.check(program)


async def replace_along(engine, inputs, program=A):
    """A replacement because another resource is replaced (replaceWith): Check twice, no Diff."""
    await engine.check(program, inputs)
    return await engine.check(program)


@pytest.mark.parametrize("replace", [replace_by_diff, replace_along])
def test_what_this_run_has_shown_is_not_adopted_even_without_a_journal(cloud, replace):
    async def body():
        id, inputs, _ = await up(cloud, None)
        async with driven(cloud) as engine:
            new_id, _ = await engine.create(await replace(engine, inputs))
            assert new_id != id

    run(body())


@pytest.mark.parametrize("replace", [replace_by_flag, replace_by_diff])
def test_a_replacement_with_the_same_inputs_never_adopts_what_it_replaces(cloud, root, replace):
    async def body():
        id, inputs, outputs = await up(cloud, root)
        async with driven(cloud, root) as engine:
            news = await replace(engine, inputs)
            assert news["name"] != inputs["name"]
            new_id, _ = await engine.create(news)
            assert new_id != id
            assert len(cloud.boxes) == 2
            await engine.delete(id, outputs, inputs)
            assert list(cloud.boxes) == [new_id]
            await engine.cancel()
        async with driven(cloud, root) as engine:
            third, _ = await engine.create(await engine.check(A))
            assert third not in (id, new_id)

    run(body())


@pytest.mark.parametrize("replace", [replace_by_flag, replace_by_diff])
@pytest.mark.parametrize("point", ["before_id", "before_ready"])
def test_a_replacement_killed_half_way_goes_on_where_it_stopped(cloud, root, replace, point):
    async def body():
        id, inputs, outputs = await up(cloud, root)
        await killed_in_create(cloud, root, lambda engine: replace(engine, inputs), point)
        made = set(cloud.boxes) - {id}
        async with driven(cloud, root) as engine:
            new_id, _ = await engine.create(await replace(engine, inputs))
            assert not made or made == {new_id}
            await engine.delete(id, outputs, inputs)
        assert list(cloud.boxes) == [new_id]

    run(body())


def test_a_replacement_killed_half_way_and_given_up_leaves_nothing(cloud, root):
    async def body():
        id, inputs, outputs = await up(cloud, root)
        await killed_in_create(cloud, root, lambda engine: replace_by_flag(engine, inputs))
        assert len(cloud.boxes) == 2
        async with driven(cloud, root) as engine:
            news = await engine.check(A, inputs)
            diff = await engine.diff(id, inputs, news)
            assert diff.changes == diff.DIFF_SOME
            assert not diff.replaces
            assert (await engine.update(id, outputs, inputs, news)) == outputs
            assert list(cloud.boxes) == [id]
            assert cloud.boxes[id]["version"] == 1
            assert "left behind" in engine.engine.lines[-1][1]
            diff = await engine.diff(id, inputs, news)
            assert diff.changes == diff.DIFF_NONE

    run(body())


def test_a_killed_create_whose_inputs_changed_leaves_nothing(cloud, root):
    async def body():
        await killed_in_create(cloud, root, lambda engine: engine.check(A))
        async with driven(cloud, root) as engine:
            id, _ = await engine.create(await engine.check({**A, "region": "us"}))
            assert list(cloud.boxes) == [id] == ["box-2"]

    run(body())


def test_delete_first_replacement_killed_half_way(cloud, root):
    async def body():
        id, inputs, outputs = await up(cloud, root, {**A, "diskGib": 1})
        program = {**A, "diskGib": 2}

        async def replace(engine):
            news = await engine.check(program, inputs)
            diff = await engine.diff(id, inputs, news)
            assert diff.deleteBeforeReplace
            news = await engine.check(program)
            await engine.delete(id, outputs, inputs)
            return news

        await killed_in_create(cloud, root, replace)
        async with driven(cloud, root) as engine:
            # The engine remembers that the old one is deleted and does not delete it again.
            await engine.check(program, inputs)
            new_id, _ = await engine.create(await engine.check(program))
            assert list(cloud.boxes) == [new_id] == ["box-2"]

    run(body())


def test_delete_first_by_flag_killed_and_repeated(cloud, root):
    async def body():
        id, inputs, outputs = await up(cloud, root)

        async def replace(engine):
            news = await engine.check(A)
            await engine.delete(id, outputs, inputs)
            return news

        await killed_in_create(cloud, root, replace)
        async with driven(cloud, root) as engine:
            new_id, _ = await engine.create(await engine.check(A))
            assert list(cloud.boxes) == [new_id] == ["box-2"]

    run(body())


def test_what_was_deleted_in_this_run_is_not_adopted_by_a_stale_list(cloud):
    async def body():
        id, inputs, outputs = await up(cloud, None)
        async with driven(cloud) as engine:
            news = await engine.check(A)
            stale = dict(cloud.boxes[id])
            await engine.delete(id, outputs, inputs)
            cloud.boxes[id] = stale
            assert (await engine.create(news))[0] != id

    run(body())


def test_without_a_journal_the_old_one_is_kept_rather_than_lost(cloud):
    async def body():
        id, inputs, outputs = await up(cloud, None)
        async with driven(cloud) as engine:
            news = await engine.check(A)
            assert (await engine.create(news))[0] == id
            await engine.delete(id, outputs, inputs)
            assert list(cloud.boxes) == [id]
            assert "kept box-1" in engine.engine.lines[-1][1]
        # The engine died before it forgot the old entry: a later process must keep the object as well.
        async with driven(cloud) as engine:
            await engine.check(A, news)
            await engine.diff(id, news, news)
            await engine.delete(id, outputs, inputs)
            assert list(cloud.boxes) == [id]
            await engine.delete(id, outputs, news)
            assert cloud.boxes == {}

    run(body())


def test_the_same_process_may_delete_what_it_created(cloud, root):
    async def body():
        async with driven(cloud, root) as engine:
            inputs = await engine.check(A)
            id, outputs = await engine.create(inputs)
            await engine.delete(id, outputs, inputs)
            assert cloud.boxes == {}
            assert journal_lines(root) == []
            again = await engine.check(A)
            assert Entry.of(again).mark == Entry.of(inputs).mark

    run(body())


def test_a_destroy_after_a_refresh_removes_both_entries_of_one_object(cloud):
    async def body():
        id, inputs, outputs = await up(cloud, None)
        async with driven(cloud) as engine:
            news = await engine.check(A)
            await engine.create(news)
        async with driven(cloud) as engine:
            await engine.read(id, outputs, news)
            await engine.read(id, outputs, inputs)
            await engine.delete(id, outputs, news)
            await engine.delete(id, outputs, inputs)
            assert cloud.boxes == {}

    run(body())


def test_a_failed_create_may_be_replaced(cloud, root):
    async def fail(ctx):
        raise ValueError("never ready")

    async def body():
        cloud.before_ready = fail
        async with driven(cloud, root) as engine:
            inputs = await engine.check(A)
            with pytest.raises(grpc.RpcError):
                await engine.create(inputs)
            await engine.cancel()
        cloud.before_ready = None
        async with driven(cloud, root) as engine:
            id, _ = await engine.create(await engine.check(A))
            assert id == "box-2"
            await engine.delete("box-1", {}, inputs)
            assert list(cloud.boxes) == ["box-2"]

    run(body())


def test_an_engine_that_died_before_saving_gets_the_same_object_again(cloud, root):
    async def body():
        async with driven(cloud, root) as engine:
            id, _ = await engine.create(await engine.check(A))
        async with driven(cloud, root) as engine:
            again, _ = await engine.create(await engine.check(A))
            assert again == id
            assert len(cloud.boxes) == 1

    run(body())


def test_a_generated_name_survives_the_kill_with_its_object(cloud, root):
    async def body():
        def named(proposal):
            return {"autonaming": {"proposed_name": proposal, "mode": 0}}

        await killed_in_create(cloud, root, lambda engine: engine.check(A, **named("crate-1")))
        async with driven(cloud, root) as engine:
            inputs = await engine.check(A, **named("crate-2"))
            assert inputs["name"] == "crate-1" == cloud.boxes["box-1"]["name"]
            enforced = await engine.check(A, autonaming={"proposed_name": "exactly", "mode": 1})
            assert enforced["name"] == "exactly"

    run(body())


def test_what_follows_a_torn_line_is_read(cloud, root):
    async def body():
        await up(cloud, root)
        (path,) = (root / ".pilotlight" / "journal").iterdir()
        path.write_text('{"urn": "torn')
        await killed_in_create(cloud, root, lambda engine: engine.check({**A, "region": "us"}), "before_id")
        assert [line.phase for line in journal_lines(root)] == ["open"]

    run(body())


def test_a_torn_line_and_a_long_history_do_no_harm(cloud, root):
    async def body():
        id, inputs, outputs = await up(cloud, root)
        (path,) = (root / ".pilotlight" / "journal").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_text(path.read_text() * 200 + '{"urn": "torn')
        async with driven(cloud, root) as engine:
            news = await engine.check(A)
            new_id, _ = await engine.create(news)
            assert new_id != id
            await engine.delete(id, outputs, inputs)
            await engine.cancel()
        assert path.read_text().count("\n") < 10
        (line,) = journal_lines(root)
        assert (line.phase, line.id) == ("settled", new_id)

    run(body())


def test_a_broken_or_unwritable_journal_stops_nothing(cloud, root):
    async def body():
        (root / ".pilotlight").write_text("in the way")
        async with driven(cloud, root) as engine:
            await engine.create(await engine.check(A))
        assert len(cloud.boxes) == 1

    run(body())


def test_the_object_to_be_replaced_in_the_way_of_the_new_one_is_said_to_be_that(root):
    class ByName(Cloud):
        def marked(self, mark):
            return []

    async def body():
        cloud = ByName()
        async with driven(cloud, root) as engine:
            inputs = await engine.check({**A, "name": "n"})
            id, _ = await engine.create(inputs)
            await engine.cancel()
        cloud.boxes[id]["mark"] = "seen as foreign by its name"
        async with driven(cloud, root) as engine:
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(await engine.check({**A, "name": "n"}))
            assert "it is the one to be replaced" in failed.value.details()
            assert "delete_before_replace" in failed.value.details()

    run(body())


async def new_instance_of(engine, urn="urn:pulumi:dev::shop::pulumi:providers:toy::default"):
    request = provider_pb2.CheckRequest(urn=urn)
    return decode((await engine.stub.CheckConfig(request)).inputs)["__instance"]


def test_a_run_killed_before_its_instance_was_saved_is_taken_up(cloud, root):
    async def body():
        async with driven(cloud, root) as engine:
            instance = await new_instance_of(engine)
            assert await new_instance_of(engine) != instance
            await engine.configure(instance)
            await engine.create(await engine.check(A))
        async with driven(cloud, root) as engine:
            assert await new_instance_of(engine) == instance
            assert await new_instance_of(engine, "urn:pulumi:prod::shop::pulumi:providers:toy::x") != instance
            await engine.configure(instance)
            assert (await engine.create(await engine.check(A)))[0] == "box-1"
            await engine.cancel()
        async with driven(cloud, root) as engine:
            # Everything of it is settled: it belongs to a state that is kept elsewhere or lost.
            assert await new_instance_of(engine) != instance

    run(body())
