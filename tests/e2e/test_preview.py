"""A pull request over the deployed demo: the real CLI, engine and providers, a base in a real repository."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from infra.report.marker import Marker
from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture
def reviewed(lit: Checkout) -> Iterator[Checkout]:
    """The checkout as a repository whose `main` is what is deployed."""
    settings = lit.root / "policies/settings.yaml"
    rules = settings.read_text()
    (lit.root / ".gitignore").write_text(".venv\n.pilotlight\n")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "deployed")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=lit.root, check=True)
    yield lit
    shutil.rmtree(lit.root / ".git")
    (lit.root / ".gitignore").unlink()
    settings.write_text(rules)


def _preview(checkout: Checkout, *arguments: str, code: int = 0) -> str:
    to = checkout.root / ".pilotlight/report"
    checkout.run("pilotlight", "preview", "--base", "main", *arguments, "-o", str(to), code=code)
    return to.read_text()


def _credentials(value: Any) -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _credentials(inner)
        elif isinstance(inner, str) and ("key" in name or "secret" in name or "token" in name):
            yield inner


def test_a_change_is_told_from_the_state_and_priced_from_both_programs(reviewed: Checkout) -> None:
    reviewed.edit("max=2", "max=1")
    told = _preview(reviewed, "-s", "dev", "--format", "json")
    [stack] = json.loads(told)["stacks"]
    assert (stack["verdict"], stack["basis"], stack["counts"]) == ("ok", "engine", {"update": 2})
    [change] = [one for one in stack["changes"] if one["type"] == "pilotlight-runpod:index:Endpoint"]
    assert {"path": "workers.max", "kind": "update", "before": "2", "after": "1"} in change["diffs"]
    ceilings = {
        one["name"]: [float(one[side]["plan"]["cost"]["ceiling"]) for side in ("before", "after")]
        for one in stack["endpoints"]
    }
    assert set(ceilings) == {"search", "search-on-modal"}
    assert all(before == pytest.approx(2 * after, rel=0.001) for before, after in ceilings.values())
    assert [one["deployed"] for one in stack["endpoints"]] == [None, None]
    assert str(reviewed.root) not in told
    assert not [secret for secret in _credentials(reviewed.cloud) if secret in told]


def test_a_block_is_a_comment_and_two_previews_agree(reviewed: Checkout) -> None:
    (reviewed.root / "policies/settings.yaml").write_text("worker-quota: {severity: error, runpod: 1}\n")
    first, second = (_preview(reviewed, "-s", "dev", "--format", "markdown", code=3) for _ in range(2))
    assert "### ❌ dev: blocked by 1 policy. " in first
    assert "| ❌ blocked | `worker-quota` | `search` |" in first
    one, other = Marker.parse(first), Marker.parse(second)
    assert one is not None
    assert one == other
    assert (
        one.head
        == subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=reviewed.root, text=True).strip()
    )
