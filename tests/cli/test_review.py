"""Review stacks: leases, the cheapest card, and a reaper that never touches what is not its own."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog import load
from infra.cli import program, review_cheap
from infra.cli.review import down, reap, up
from infra.cli.review_lease import Lease, ReviewError, is_review, name
from infra.cli.review_stack import Done, Stacks, secrets_in, settings_of
from infra.planning.request import PlanRequest

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEAD = "from components import *\nfrom infra.spec.declarations import Slo, Traffic\n"


class Backend(Stacks):
    """The stacks of a backend in memory: `tags` and `sizes` (resources) by stack. Settings are files, as they are."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.tags: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.calls: list[str] = []
        self.answers: dict[str, Callable[[], Done]] = {}

    def names(self) -> list[str]:
        return [stack for stack in self.sizes if is_review(stack)]

    def _listed(self) -> dict[str, int]:
        return self.sizes

    def _pulumi(self, *arguments: str, given: str = "") -> Done:
        what, stack = " ".join(arguments[:2]), arguments[-1]
        if what == "stack tag" and arguments[2] == "ls":
            text = self.tags.get(stack)
            return self.answers.get(
                "tags", lambda: Done(0, json.dumps({"pilotlight:review": text} if text else {}))
            )()
        self.calls.append(f"{what} {stack}" if arguments[0] == "stack" else f"{arguments[0]} {stack}")
        if what == "stack tag":
            self.tags[stack] = arguments[4]
        if what == "stack init":
            self.sizes[arguments[2]] = 0
        if arguments[0] == "destroy":
            done = self.answers[stack]() if stack in self.answers else Done(0, "")
            if done.code == 0:
                del self.sizes[stack]
            return done
        return Done(0, "")

    def up(self, stack: str) -> int:
        self.calls.append(f"up {stack}")
        self.sizes[stack] = 3
        return 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: shop\nruntime: python\nmain: stacks/\nstackConfigDir: stacks\n"
    )
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/Pulumi.dev.yaml").write_text(
        "config:\n  pilotlight-runpod:target: local\n  pilotlight:endpoints: {chat: {env: {A: b}}}\n"
    )
    return tmp_path


@pytest.fixture
def backend(project: Path) -> Backend:
    return Backend(project)


def leased(backend: Backend, stack: str, ago: timedelta) -> None:
    backend.tags[stack] = Lease(stack, "dev", NOON - ago).line()
    backend.sizes[stack] = 3


def declare(project: Path, **declared: str) -> None:
    image = f'image="r/x@sha256:{"0" * 64}"'
    lines = [f'ModelEndpoint("{key}", {image}, {given})' for key, given in declared.items()]
    (project / "stacks/__main__.py").write_text(HEAD + "\n".join(lines) + "\n")


def test_a_lease_is_one_line_and_is_read_back() -> None:
    lease = Lease("review-pr-7", "dev", NOON)
    assert Lease.parse(lease.line(), "review-pr-7") == lease
    assert Lease.parse(lease.line(), "acme/shop/review-pr-7") == lease


@pytest.mark.parametrize(
    "text", ["", "yes", "v1 stack=review-pr-8 base=dev expires=2026-11-24T12:00:00Z", "v2 x"]
)
def test_what_is_no_lease_of_this_stack_makes_it_nobody_of_ours(text: str) -> None:
    assert Lease.parse(text, "review-pr-7") is None


def test_a_renamed_stack_is_not_ours_and_a_broken_time_is_an_error() -> None:
    assert Lease.parse(Lease("prod", "dev", NOON).line(), "prod") is None
    with pytest.raises(ReviewError):
        Lease.parse("v1 stack=review-pr-7 base=dev expires=tomorrow", "review-pr-7")


def test_names() -> None:
    assert name(41) == "review-pr-41"
    for wrong in (0, -1, 10**11):
        with pytest.raises(ReviewError):
            name(wrong)
    for other in ("review-pr-", "review-pr-07", "review-pr-7x", "preview-pr-7", "review-pr-7-2", "dev"):
        assert not is_review(other)


def test_up_holds_the_lease_before_it_deploys(backend: Backend, project: Path) -> None:
    declare(project, chat='cloud="runpod", gpu="H100", slo=Slo(wait_p95_s=1)')
    assert up(backend, 7, "2h", "dev", lambda: NOON) == 0
    assert backend.calls == ["stack init --no-select", "stack tag review-pr-7", "up review-pr-7"]
    assert backend.tags["review-pr-7"].endswith("expires=2026-11-24T14:00:00Z")
    settings = yaml.safe_load((project / "stacks/Pulumi.review-pr-7.yaml").read_text())["config"]
    assert settings["pilotlight-runpod:target"] == "local"
    chat = settings["pilotlight:endpoints"]["chat"]
    assert chat["workers"] == {"min": 0, "max": 1, "buffer": 0}
    assert chat["env"] == {"A": "b"}
    assert (chat["slo"], chat["tags"]) == (None, {"review": "pr-7"})
    placed = declare_again(project)
    assert placed["workers"]["max"] == 1

    backend.calls.clear()
    (project / "stacks/__main__.py").write_text("")
    assert up(backend, 7, "1h", "dev", lambda: NOON + timedelta(hours=9)) == 0
    assert backend.calls == ["stack tag review-pr-7", "up review-pr-7"]  # renewed first of all
    assert backend.tags["review-pr-7"].endswith("expires=2026-11-24T22:00:00Z")


def declare_again(project: Path) -> Any:
    """The same program under the review stack's settings."""
    [intent] = [
        one.inputs["intent"]
        for one in program.run(project, "review-pr-7").declarations
        if "intent" in one.inputs
    ]
    return intent


def test_a_stack_or_a_file_of_somebody_else_is_never_taken_over(backend: Backend, project: Path) -> None:
    backend.sizes["review-pr-7"] = 0
    with pytest.raises(ReviewError, match="carries no mark"):
        up(backend, 7, "2h", "dev")
    with pytest.raises(ReviewError, match="carries no mark"):
        down(backend, 7)
    theirs = project / "stacks/Pulumi.review-pr-8.yaml"
    theirs.write_text("config: {a: b}\n")
    with pytest.raises(ReviewError, match="carries no mark"):
        up(backend, 8, "2h", "dev")
    with pytest.raises(ReviewError, match="carries no mark"):
        down(backend, 8)
    assert theirs.read_text() == "config: {a: b}\n"
    assert backend.calls == []


def test_settings_left_from_an_earlier_stack_do_not_make_a_full_one_ours(
    backend: Backend, project: Path
) -> None:
    backend.write("review-pr-7", {"config": {"pilotlight:review": Lease("review-pr-7", "dev", NOON).line()}})
    backend.sizes["review-pr-7"] = 0
    assert backend.lease("review-pr-7") is not None  # killed between making it and tagging it
    backend.sizes["review-pr-7"] = 5
    assert backend.lease("review-pr-7") is None


def test_a_stack_that_cannot_be_made_leaves_no_settings(backend: Backend, project: Path) -> None:
    (project / "stacks/__main__.py").write_text("")

    def refuse(*arguments: str, given: str = "") -> Done:
        return Done(255, "error: stack 'review-pr-7' already exists")

    backend._pulumi = refuse  # type: ignore[method-assign]
    with pytest.raises(Exception, match="already exists"):
        up(backend, 7, "2h", "dev")
    assert not (project / "stacks/Pulumi.review-pr-7.yaml").exists()


def test_the_reaper_ends_what_is_over_and_nothing_else(
    backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    leased(backend, "review-pr-1", timedelta(seconds=0))
    leased(backend, "review-pr-2", timedelta(seconds=-1))
    backend.sizes |= {"review-pr-3": 4, "dev": 9}
    backend.tags["review-pr-3"] = backend.tags["review-pr-1"]  # copied along with another stack's tags
    assert reap(backend, dry=True, clock=lambda: NOON) == 0
    assert backend.calls == []
    assert reap(backend, clock=lambda: NOON) == 0
    assert set(backend.sizes) == {"review-pr-2", "review-pr-3", "dev"}
    assert "review-pr-3: not made by" in capsys.readouterr().err


def test_one_that_fails_keeps_no_other_alive(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 3):
        leased(backend, f"review-pr-{number}", timedelta(hours=2))
    backend.tags["review-pr-1"] = "v1 stack=review-pr-1 base=dev expires=never"
    backend.answers["review-pr-2"] = lambda: Done(255, "error: bucket is not empty")
    assert reap(backend, clock=lambda: NOON) == 1
    assert set(backend.sizes) == {"review-pr-1", "review-pr-2"}
    said = capsys.readouterr().err
    assert "bucket is not empty" in said
    assert "'never'" in said


def test_one_in_use_is_left_for_a_while_and_then_is_an_error(backend: Backend) -> None:
    locked = Done(255, "error: the stack is currently locked by 1 lock(s)")
    backend.answers["review-pr-1"] = lambda: locked
    leased(backend, "review-pr-1", timedelta(minutes=59))
    assert reap(backend, clock=lambda: NOON) == 0
    leased(backend, "review-pr-1", timedelta(minutes=61))
    assert reap(backend, clock=lambda: NOON) == 1


def test_one_that_another_reaper_removed_meanwhile_is_no_error(backend: Backend) -> None:
    def gone() -> Done:
        del backend.sizes["review-pr-1"]
        return Done(255, "error: no stack named 'review-pr-1' found")

    backend.answers["review-pr-1"] = gone
    leased(backend, "review-pr-1", timedelta(hours=5))
    assert reap(backend, clock=lambda: NOON) == 0


def test_down_of_what_is_not_there_is_done(backend: Backend) -> None:
    assert down(backend, 7) == 0
    leased(backend, "review-pr-7", timedelta(0))
    backend.write("review-pr-7", {"config": {}})
    assert down(backend, 7) == 0
    assert not backend.path("review-pr-7").exists()


def test_the_cheapest_card_holds_what_is_known_of_the_model() -> None:
    catalog = load()
    book = catalog.prices()

    def card(**asked: Any) -> tuple[Any, str]:
        return review_cheap.card(PlanRequest("chat", **asked), catalog, book)

    small, why = card(cloud="runpod", gpu=("H100",), weights_bytes=10_000_000_000)
    assert 13.5 / 0.9 <= catalog.gpu(small.gpus[0]).vram_gib <= 24
    assert why == "the cheapest that holds the model"
    blind, why = card(cloud="modal", gpu=("A100-80GB",))
    assert catalog.gpu(blind.gpus[0]).vram_gib >= 80
    assert why.startswith(("the cheapest with 80 GB", "as declared"))
    least, why = card(cloud="modal", gpu=("T4",))
    assert (least.gpus, why) == (("T4",), "as declared: nothing that holds it is cheaper")
    cpu, _ = card(cloud="runpod", gpu=None, vcpu=2)
    assert cpu.gpus == ()
    huge, why = card(cloud="runpod", gpu=("H100",), weights_bytes=10**13)
    assert huge.gpus == ("H100",)
    assert "no cheaper card" in why


def test_secrets_of_the_base_are_left_out_until_they_are_encrypted_anew() -> None:
    hidden = {"secure": "of the base"}
    base = {
        "encryptionsalt": "base's",
        "config": {
            "a:key": hidden,
            "b": 1,
            "pilotlight:endpoints": {"chat": {"env": {"K.1": hidden, "L": "m"}}, "l": [hidden]},
        },
    }
    lease = Lease("review-pr-7", "dev", NOON)
    made = settings_of(
        base, {"encryptionsalt": "its own", "config": {"old": 2}}, lease, {"chat": {"gpu": ["T4"]}}
    )
    assert made["encryptionsalt"] == "its own"
    assert "of the base" not in str(made)
    assert made["config"]["b"] == 1
    assert made["config"]["pilotlight:endpoints"]["chat"] == {"env": {"L": "m"}, "gpu": ["T4"]}
    assert made["config"]["pilotlight:endpoints"]["l"] == [""]
    assert [*secrets_in(base["config"])] == [
        ("a:key",),
        ("pilotlight:endpoints", "chat", "env", "K.1"),
        ("pilotlight:endpoints", "l", 0),
    ]


def test_tags_that_cannot_be_read_are_an_error_and_not_a_strangers_stack(backend: Backend) -> None:
    leased(backend, "review-pr-1", timedelta(hours=5))
    backend.answers["tags"] = lambda: Done(255, "error: 503")
    assert reap(backend, clock=lambda: NOON) == 1
    assert "review-pr-1" in backend.sizes


def test_the_note_for_the_pull_request_says_cost_and_lease_under_a_marker_of_its_own() -> None:
    from infra.cli.review import body
    from infra.report.marker import Marker

    lease = Lease("review-pr-7", "dev", datetime(2026, 11, 24, 15, tzinfo=UTC))
    at = datetime(2026, 11, 24, 14, tzinfo=UTC)
    text = body("pilotlight", lease, "0.4200", "a" * 40, at)
    marker = Marker.parse(text)
    assert marker is not None
    assert (marker.project, marker.stack, marker.head) == ("pilotlight", "review-pr-7", "a" * 40)
    assert "### Review stack review-pr-7: $0.4200 so far; lives until 2026-11-24 15:00 UTC" in text
    assert Marker.parse(body("pilotlight", lease, "0.4200", None, at)).digest == marker.digest  # type: ignore[union-attr]
    assert Marker.parse(body("pilotlight", lease, "0.4300", None, at)).digest != marker.digest  # type: ignore[union-attr]
    over = body("pilotlight", lease, "unknown", None, lease.expires)
    assert "what it has cost is not known; its lease is over" in over
