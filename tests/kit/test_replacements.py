"""Replacements, whole and killed half way: the old one goes, the new one stays, and nothing else is left."""

import grpc
import pytest

from tests.kit.driver import driven, killed_in_create, run, up
from tests.kit.toy import Cloud

A = {"image": "a"}


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
        id, inputs, _ = await up(cloud, None, A)
        async with driven(cloud) as engine:
            new_id, _ = await engine.create(await replace(engine, inputs))
            assert new_id != id

    run(body())


@pytest.mark.parametrize("replace", [replace_by_flag, replace_by_diff])
def test_a_replacement_with_the_same_inputs_never_adopts_what_it_replaces(cloud, root, replace):
    async def body():
        id, inputs, outputs = await up(cloud, root, A)
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
        id, inputs, outputs = await up(cloud, root, A)
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
        id, inputs, outputs = await up(cloud, root, A)
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
        id, inputs, outputs = await up(cloud, root, A)

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
        id, inputs, outputs = await up(cloud, None, A)
        async with driven(cloud) as engine:
            news = await engine.check(A)
            stale = dict(cloud.boxes[id])
            await engine.delete(id, outputs, inputs)
            cloud.boxes[id] = stale
            assert (await engine.create(news))[0] != id

    run(body())


def test_without_a_journal_the_old_one_is_kept_rather_than_lost(cloud):
    async def body():
        id, inputs, outputs = await up(cloud, None, A)
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


def test_a_destroy_after_a_refresh_removes_both_entries_of_one_object(cloud):
    async def body():
        id, inputs, outputs = await up(cloud, None, A)
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
