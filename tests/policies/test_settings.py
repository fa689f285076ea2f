"""policies/settings.yaml: layers, and what is refused, with its reason, before any rule is asked."""

from itertools import pairwise
from pathlib import Path

import pytest

from infra.spec.findings import Severity
from policies.gate import make_gate
from policies.settings import SettingsError, load
from tests.policies.judged import DIGEST, endpoint, view

EXCEPTION = "{rule: image-digest, resource: search, owner: a, reason: b, expires: 2026-12-31}"


def write(root: Path, text: str) -> Path:
    (root / "policies").mkdir()
    (root / "policies/settings.yaml").write_text(text)
    return root


def test_the_stack_s_settings_go_over_the_general_ones_key_by_key(tmp_path: Path) -> None:
    text = "endpoint-ceiling: {max_usd_per_month: 9, severity: warning}\n"
    text += "stacks: {prod: {endpoint-ceiling: {max_usd_per_month: 5}}, empty: }"
    root = write(tmp_path, text)
    for stack, limit in (("prod", 5), ("dev", 9), ("empty", 9)):
        found = load(root, stack).rules["endpoint-ceiling"]
        assert (found.severity.value, getattr(found, "max_usd_per_month")) == ("warning", limit)  # noqa: B009


def test_the_gate_takes_the_stack_s_settings(tmp_path: Path) -> None:
    gate = make_gate(lambda: tmp_path)
    write(tmp_path, "stacks: {prod: {image-digest: {severity: error}}}")
    [dev] = [found for found in gate(view(image="r/x")) if found.rule == "image-digest"]
    [prod] = [found for found in gate(view(stack="prod", image="r/x")) if found.rule == "image-digest"]
    assert (dev.severity, prod.severity) == (Severity.WARNING, Severity.ERROR)


def test_the_project_s_own_settings_are_right() -> None:
    root = Path(__file__).resolve().parents[2]
    assert load(root, "prod").rules["image-digest"].severity.value == "error"


@pytest.mark.parametrize("text", ["", "# nothing", "stacks:", "exceptions:", "image-digest:"])
def test_nothing_said_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(write(tmp_path, text), "dev") == load(None, "dev")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image-digst: {}", "image-digest"),
        ("image-digest: {severty: error}", "severity"),
        ("image-digest: {severity: fatal}", "fatal"),
        ("image-digest: 3", "int"),
        ("[]", "list"),
        ("a: [", "cannot be read"),
        ("endpoint-ceiling: {max_usd_per_month: -1}", "greater than 0"),
        ("endpoint-ceiling: {max_usd_per_month: .nan}", "finite"),
        ("cold-start-slo: {max_p95_s: .inf}", "finite"),
        ("stacks: [prod]", "list"),
        ("stacks: {prod: 3}", "int"),
        ("stacks: {other: {image-digst: {}}}", "other"),
        ("exceptions: {a: 1}", "dict"),
        ("exceptions: [3]", "exceptions[0]"),
        ("exceptions: [{rule: image-digest, resource: a, owner: a, reason: b}]", "expires"),
        ("exceptions: [{rule: image-digest, resource: a, owner: a, reason: b, expires: never}]", "expires"),
        (f"exceptions: [{EXCEPTION}, {EXCEPTION.replace('image-digest', 'image-dijest')}]", "exceptions[1]"),
        (f"exceptions: [{EXCEPTION.replace('owner: a', 'owner: ')}]", "owner"),
        (f"exceptions: [{EXCEPTION.replace('owner', 'user')}]", "user"),
        ("1: {}", "1"),
        ("? [a]\n: b", "cannot be read"),
        ("!!python/object/apply:os.getpid []", "cannot be read"),
        ("[" * 3000 + "]" * 3000, "settings.yaml"),
        ("image-digest: {}\nimage-digest: {severity: error}", "twice"),
    ],
)
def test_wrong_settings_refuse_everything_and_say_why(tmp_path: Path, text: str, said: str) -> None:
    root = write(tmp_path, text)
    [finding] = make_gate(lambda: root)(view(image=f"r/x@{DIGEST}"))
    assert (finding.rule, finding.severity) == ("settings", Severity.ERROR)
    with pytest.raises(SettingsError) as error:
        load(root, "dev")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "where",
    [
        "image-digest: *h",
        "*h : 3",
        "image-digest: {severity: *h}",
        "required-tags: {tags: *h}",
        "exceptions: [*h]",
        "exceptions: [{rule: *h, resource: a, owner: a, reason: b, expires: 2026-12-31}]",
        "volume-place: {gpus: {EU-RO-1: *h}}",
    ],
)
def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path, where: str) -> None:
    lines = ["x: &a [x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]" for a, b in pairwise("abcdefgh")]
    text = "\n".join(["price-book-age:", *(f"  {line}" for line in lines), where])
    with pytest.raises(SettingsError) as error:
        load(write(tmp_path, text), "dev")
    assert len(str(error.value)) < 2000


def test_a_directory_in_the_file_s_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "policies/settings.yaml").mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path, "dev")


def test_without_a_project_the_defaults_hold() -> None:
    [finding] = make_gate(lambda: None)(view(image="r/x", intent={"endpoint": "search"}))
    assert finding.severity is Severity.WARNING


def test_settings_are_read_once_for_each_stack(tmp_path: Path) -> None:
    asked = []
    write(tmp_path, "")

    def root() -> Path:
        asked.append(1)
        return tmp_path

    gate = make_gate(root)
    for _ in range(3):
        gate(endpoint())
        gate(view(stack="prod"))
    assert len(asked) == 2
