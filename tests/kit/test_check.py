"""Check: every failure at once, each with its path and what to do; the normalised inputs otherwise."""

from infra.kit.wire import SECRET, SIGNATURE, Secret, encode
from infra.spec.findings import UNKNOWN, Finding, Severity
from tests.kit.driver import driven, run
from tests.kit.toy import URN


def test_all_failures_come_at_once_each_at_its_path(cloud):
    async def body():
        async with driven(cloud) as engine:
            failures = await engine.failures(
                {
                    "gpu": "H20",
                    "workers": {"min": 5, "max": 3, "minn": 1},
                    "rules": [{"name": "ok"}, {"token": "t"}],
                    "imag": "a",
                    "env": {"A.B": 1},
                    "content": "mine",
                }
            )
            assert set(failures) == {
                "gpu",
                "workers.max",
                "workers.minn",
                "rules[1].name",
                "image",
                "imag",
                'env["A.B"]',
                "content",
            }
            assert failures["gpu"] == (
                "is 'H20'. Wanted: one of H100, H200, L4. Fix: did you mean 'H200' or 'H100'?"
            )
            assert failures["workers.max"] == "is 3, less than workers.min (5)"
            assert "did you mean 'min'" in failures["workers.minn"]
            assert failures["image"] == (
                "required, but not set. Wanted: a string (what runs). Fix: set image"
            )
            assert "did you mean 'image'" in failures["imag"]
            assert failures['env["A.B"]'] == "is 1. Wanted: a string. Fix: change A.B"
            assert "is computed" in failures["content"]

    run(body())


def test_a_bound_is_named_with_the_value(cloud):
    async def body():
        async with driven(cloud) as engine:
            failures = await engine.failures({"image": "a", "workers": {"min": -1, "max": 0.5}, "size": "x"})
            assert failures == {
                "workers.min": "is -1. Wanted: at least 0. Fix: change min",
                "workers.max": "is 0.5. Wanted: a whole number. Fix: change max",
                "size": "is 'x'. Wanted: a whole number. Fix: change size",
            }

    run(body())


def test_the_result_has_defaults_in_wire_form_and_whole_numbers(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check(
                {"image": "a", "diskGib": 20.0, "workers": {"min": 2.0}, "tags": ["b", "a"], "name": "n"}
            )
            assert inputs.pop("__pilotlight").startswith("pl-abcdefgh-")
            assert inputs == {
                "name": "n",
                "image": "a",
                "region": "eu",
                "diskGib": 20,
                "workers": {"min": 2, "max": 3},
                "tags": ["a", "b"],
                "content": "hash-of-a",
            }
            assert isinstance(inputs["diskGib"], int)

    run(body())


def test_unknown_values_pass_and_the_rest_is_still_validated(cloud):
    async def body():
        async with driven(cloud) as engine:
            news = {
                "image": UNKNOWN,
                "workers": {"min": UNKNOWN, "max": 2},
                "env": {"A": UNKNOWN, "B": "b"},
                "rules": [UNKNOWN, {"name": UNKNOWN}],
                "tags": [UNKNOWN, "t"],
            }
            inputs = await engine.check(news)
            assert inputs["image"] is UNKNOWN
            assert inputs["workers"] == {"min": UNKNOWN, "max": 2}
            assert inputs["env"] == {"A": UNKNOWN, "B": "b"}
            assert inputs["rules"] == [UNKNOWN, {"name": UNKNOWN}]
            assert inputs["content"] is UNKNOWN
            failures = await engine.failures(
                {**news, "env": {"A": UNKNOWN, "B": 1}, "rules": [UNKNOWN, {"nam": "x"}], "gpu": "T4"}
            )
            assert set(failures) == {"env.B", "rules[1].name", "rules[1].nam", "gpu"}

    run(body())


def test_an_unknown_replace_marked_input_leaves_the_mark_open(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a", "region": UNKNOWN})
            assert inputs["__pilotlight"] is UNKNOWN

    run(body())


def test_secrets_stay_wrapped_and_out_of_reasons(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check(
                {"image": Secret("i"), "env": {"K": Secret("v"), "L": "w"}, "password": "plain-pw"}
            )
            assert inputs["image"] == Secret("i")
            assert inputs["env"] == {"K": Secret("v"), "L": "w"}
            assert inputs["password"] == Secret("plain-pw")
            wire = encode(inputs)["password"]
            assert wire[SIGNATURE] == SECRET
            failures = await engine.failures(
                {
                    "image": Secret(123456),
                    "gpu": Secret("H10-canary"),
                    "password": ["canary-pw"],
                    "rules": {"name": "x", "token": Secret("canary-tok")},
                }
            )
            assert failures["image"].startswith("is [secret]. Wanted: a string")
            text = " ".join(failures.values())
            assert "123456" not in text
            assert "canary" not in text

    run(body())


def test_a_name_is_generated_kept_and_follows_the_mark(cloud):
    async def body():
        async with driven(cloud) as engine:
            first = await engine.check({"image": "a"}, randomSeed=b"1")
            again = await engine.check({"image": "a"}, randomSeed=b"2")
            assert first["name"].startswith("crate-")
            assert again["name"] == first["name"]
            kept = await engine.check({"image": "b"}, {**first, "name": "crate-old"})
            assert kept["name"] == "crate-old"
            elsewhere = await engine.check({"image": "a"}, urn=URN.replace("dev", "prod"))
            assert elsewhere["name"] != first["name"]

    run(body())


def test_the_engines_naming_rules_are_followed(cloud):
    async def body():
        async with driven(cloud) as engine:
            proposed = {"proposed_name": "crate-x1", "mode": 0}
            assert (await engine.check({"image": "a"}, autonaming=proposed))["name"] == "crate-x1"
            enforced = {"proposed_name": "crate", "mode": 1}
            assert (await engine.check({"image": "a"}, autonaming=enforced))["name"] == "crate"
            refused = await engine.check_raw({"image": "a"}, autonaming={"mode": 2})
            assert [failure.property for failure in refused.failures] == ["name"]
            named = await engine.check({"image": "a", "name": "mine"}, autonaming={"mode": 2})
            assert named["name"] == "mine"

    run(body())


def test_a_deprecated_property_warns(cloud):
    async def body():
        async with driven(cloud) as engine:
            await engine.check({"image": "a", "size": 1})
            assert engine.engine.lines == [(2, "size is deprecated: use diskGib", False)]

    run(body())


def test_the_gate_refuses_warns_and_defers(cloud):
    def gate(view):
        assert view.type == "toy:index:Box"
        assert (view.name, view.stack, view.project) == ("crate", "dev", "shop")
        yield Finding("costs", "workers.max", f"{view.inputs['workers']['max']} are too many", "take 1")
        yield Finding("hint", "", "think again", severity=Severity.WARNING)
        if view.inputs["image"] is UNKNOWN:
            yield Finding("size", "image", "the image's size", severity=Severity.DEFERRED)

    async def body():
        async with driven(cloud, gate=lambda view: list(gate(view))) as engine:
            failures = await engine.failures({"image": UNKNOWN})
            assert failures == {"workers.max": "3 are too many Fix: take 1 [costs]"}
            assert engine.engine.lines == [
                (2, "think again [hint]", False),
                (1, "proved at up: the image's size [size]", False),
            ]

    run(body())


def test_what_the_gate_deferred_is_enforced_once_everything_is_known(cloud):
    def gate(view):
        return [Finding("size", "image", "the image's size is not proved", severity=Severity.DEFERRED)]

    async def body():
        async with driven(cloud, gate=gate) as engine:
            assert await engine.failures({"image": UNKNOWN}) == {}
            assert set(await engine.failures({"image": "a"})) == {"image"}

    run(body())


def test_check_and_diff_do_not_touch_the_cloud_or_the_disk(cloud, root):
    async def body():
        async with driven(cloud, root) as engine:
            inputs = await engine.check({"image": "a"})
            await engine.diff("box-1", inputs, inputs)
            await engine.create(inputs, preview=True)
            await engine.update("box-1", {}, inputs, await engine.check({"image": "b"}, inputs), preview=True)
            await engine.cancel()

    run(body())
    assert cloud.calls == []
    assert [path.name for path in root.iterdir()] == ["Pulumi.yaml"]


def test_inputs_that_come_back_pass_again(cloud):
    async def body():
        async with driven(cloud) as engine:
            inputs = await engine.check({"image": "a"})
            del inputs["content"]
            assert (await engine.check(inputs))["image"] == "a"

    run(body())
