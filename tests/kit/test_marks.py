"""Promise 1: nothing leaks, nothing is stolen. A context of `driven` that is left without Cancel is a killed provider."""

import grpc
import pytest

from infra.kit.mark import HIDDEN, Entry, Mark
from infra.kit.protos import provider_pb2
from infra.kit.wire import decode
from tests.kit.driver import driven, journal_lines, killed_in_create, run, up
from tests.kit.toy import URN

A = {"image": "a"}


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


def test_a_killed_create_whose_inputs_changed_leaves_nothing(cloud, root):
    async def body():
        await killed_in_create(cloud, root, lambda engine: engine.check(A))
        async with driven(cloud, root) as engine:
            id, _ = await engine.create(await engine.check({**A, "region": "us"}))
            assert list(cloud.boxes) == [id] == ["box-2"]

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
        await up(cloud, root, A)
        (path,) = (root / ".pilotlight" / "journal").iterdir()
        path.write_text('{"urn": "torn')
        await killed_in_create(cloud, root, lambda engine: engine.check({**A, "region": "us"}), "before_id")
        assert [line.phase for line in journal_lines(root)] == ["open"]

    run(body())


def test_a_torn_line_and_a_long_history_do_no_harm(cloud, root):
    async def body():
        id, inputs, outputs = await up(cloud, root, A)
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
