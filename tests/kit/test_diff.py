"""Diff: pure, old inputs against new inputs, in detail, without noise."""

import pytest

from infra.kit import Change, Model, prop
from infra.kit.diff import diff
from infra.kit.protos import provider_pb2
from infra.kit.wire import Secret
from infra.spec.findings import UNKNOWN
from tests.kit.driver import driven, run

KIND = provider_pb2.PropertyDiff.Kind


async def differences(engine, olds, news, **more):
    response = await engine.diff("box-1", olds, news, **more)
    return response, {path: KIND.Name(item.kind) for path, item in response.detailedDiff.items()}


def check_kinds(cloud, old, new, expected, **more):
    async def body():
        async with driven(cloud) as engine:
            olds = await engine.check(old)
            news = await engine.check(new, olds)
            response, kinds = await differences(engine, olds, news, **more)
            assert kinds == expected
            assert response.changes == (response.DIFF_SOME if expected else response.DIFF_NONE)
            assert response.hasDetailedDiff == bool(expected)

    run(body())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({"env": {"A": "1"}}, {"env": {"A": "2"}}, {"env.A": "UPDATE"}, id="map value"),
        pytest.param(
            {"env": {"A": "1"}}, {"env": {"A": "1", "B.C": ""}}, {'env["B.C"]': "ADD"}, id="map key"
        ),
        pytest.param({"env": {"A": "1"}}, {}, {"env": "DELETE"}, id="dropped"),
        pytest.param({}, {"workers": {"max": 9}}, {"workers.max": "UPDATE"}, id="nested, default before"),
        pytest.param({}, {"region": "us"}, {"region": "UPDATE_REPLACE"}, id="replace"),
        pytest.param({}, {"diskGib": 1}, {"diskGib": "ADD_REPLACE"}, id="add, replace"),
        pytest.param({"diskGib": 1}, {}, {"diskGib": "DELETE_REPLACE"}, id="delete, replace"),
        pytest.param(
            {"rules": [{"name": "a"}, {"name": "b"}]},
            {"rules": [{"name": "a"}, {"name": "c"}, {"name": "d"}]},
            {"rules[1].name": "UPDATE", "rules[2]": "ADD"},
            id="list",
        ),
        pytest.param(
            {"rules": [{"name": "a"}, {"name": "b"}]},
            {"rules": [{"name": "a"}]},
            {"rules[1]": "DELETE"},
            id="shrunk",
        ),
        pytest.param({"env": {"A": "1"}}, {"env": {"A": UNKNOWN}}, {"env.A": "UPDATE"}, id="unknown"),
        pytest.param({"password": "a"}, {"password": "b"}, {"password": "UPDATE"}, id="write-only"),
        pytest.param({"flavour": "a"}, {"flavour": "b"}, {"flavour": "UPDATE"}, id="server default, set"),
    ],
)
def test_what_changed_is_named_in_detail(cloud, old, new, expected):
    check_kinds(cloud, {"image": "a", **old}, {"image": "a", **new}, expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, id="order of a set"),
        pytest.param({"env": {"A": "1", "B": "2"}}, {"env": {"B": "2", "A": "1"}}, id="order of a map"),
        pytest.param({"diskGib": 20}, {"diskGib": 20.0}, id="number format"),
        pytest.param({"env": {"A": Secret("1")}}, {"env": Secret({"A": "1"})}, id="secret wrapped elsewhere"),
        pytest.param({"flavour": "a"}, {}, id="left to the cloud"),
        pytest.param({}, {"region": "eu", "workers": {"min": 0, "max": 3}}, id="defaults spelled out"),
    ],
)
def test_no_noise(cloud, old, new):
    check_kinds(cloud, {"image": "a", **old}, {"image": "a", **new}, {})


def test_a_state_without_the_defaults_is_no_difference(cloud):
    async def body():
        async with driven(cloud) as engine:
            news = await engine.check({"image": "a"})
            olds = {key: value for key, value in news.items() if key not in ("region", "workers")}
            assert (await differences(engine, olds, news))[1] == {}

    run(body())


def test_an_unknown_in_a_replace_marked_field_replaces(cloud):
    check_kinds(cloud, {"image": "a"}, {"image": "a", "region": UNKNOWN}, {"region": "UPDATE_REPLACE"})


def test_replaces_and_delete_before_replace(cloud):
    async def body():
        async with driven(cloud) as engine:
            olds = await engine.check({"image": "a"})
            response = await engine.diff(
                "box-1", olds, await engine.check({"image": "a", "region": "us"}, olds)
            )
            assert list(response.replaces) == ["region"]
            assert not response.deleteBeforeReplace
            response = await engine.diff(
                "box-1", olds, await engine.check({"image": "a", "diskGib": 2}, olds)
            )
            assert list(response.replaces) == ["diskGib"]
            assert response.deleteBeforeReplace

    run(body())


def test_what_is_inside_a_replaced_field_replaces():
    class Inner(Model):
        a: int = prop(0, desc="plain")
        b: int = prop(0, desc="deletes first", change=Change.REPLACE_DELETE_FIRST)

    class Outer(Model):
        inner: Inner = prop(desc="replaces", change=Change.REPLACE)

    found = diff(Outer, {"inner": {"a": 1, "b": 1}}, {"inner": {"a": 2, "b": 2}})
    assert {item.text: item.change for item in found} == {
        "inner.a": Change.REPLACE,
        "inner.b": Change.REPLACE_DELETE_FIRST,
    }


def test_ignored_changes_are_ignored(cloud):
    check_kinds(
        cloud,
        {"image": "a", "env": {"A": "1"}, "region": "eu"},
        {"image": "a", "env": {"A": "2"}, "region": "us"},
        {},
        ignoreChanges=["env.A", "region"],
    )


def test_drift_shows_because_read_returns_the_inputs(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a", "env": {"A": "1"}, "password": "p"})
            id, outputs = await engine.create(inputs)
            cloud.boxes[id]["image"] = "edited"
            cloud.boxes[id]["workers"] = {"min": 1, "max": 3}
            cloud.boxes[id]["env"] = None
            refreshed = await engine.read(id, outputs, inputs)
            from infra.kit.wire import decode

            olds = decode(refreshed.inputs)
            news = await engine.check({"image": "a", "env": {"A": "1"}, "password": "p"}, olds)
            _, kinds = await differences(engine, olds, news)
            assert kinds == {"image": "UPDATE", "workers.min": "UPDATE", "env": "ADD"}

    run(body())


def test_what_the_user_cannot_see_changes_the_state_without_a_call(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a", "intent": {"why": 1}, "env": {"A": "1"}})
            id, outputs = await engine.create(inputs)
            cloud.calls.clear()
            news = await engine.check({"image": "a", "intent": {"why": 2}, "env": {"A": Secret("1")}}, inputs)
            _, kinds = await differences(engine, inputs, news)
            assert kinds == {"intent.why": "UPDATE", "env.A": "UPDATE"}
            updated = await engine.update(id, outputs, inputs, news)
            assert updated["intent"] == {"why": 2}
            assert updated["env"] == {"A": Secret("1")}
            assert updated["url"] == outputs["url"]
            assert cloud.calls == []

    run(body())
