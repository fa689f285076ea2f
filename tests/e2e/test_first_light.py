"""From nothing to an answer, and back to nothing: the way of a user, with nothing replaced."""

import json

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")


def test_the_first_up_starts_the_cloud_and_shows_its_progress(lit: Checkout, first_up: str) -> None:
    assert lit.cloud_runs
    assert "uploading" in first_up
    assert "pushing the image" in first_up
    assert "11 created" in first_up


def test_the_endpoint_answers_best_first(lit: Checkout) -> None:
    ranked = json.loads(lit.call(QUESTION).splitlines()[-1])["ranked"]
    assert [entry["sentence"] for entry in ranked] == ["refunds take five days", "the cat sleeps"]
    assert 0.3 < ranked[0]["similarity"] < 0.6
    assert ranked[1]["similarity"] < 0.2


@pytest.mark.parametrize(
    ("request_", "said"),
    [({"question": 3, "sentences": ["a"]}, "question"), ({"sentences": ["a"]}, "question"), ({}, "question")],
)
def test_a_wrong_request_is_explained_without_a_traceback(
    lit: Checkout, request_: dict[str, object], said: str
) -> None:
    answer = lit.call(request_, code=1)
    assert said in answer
    assert "Traceback" not in answer


def test_nothing_changed_is_said_and_calls_nothing(lit: Checkout) -> None:
    before = lit.endpoints()
    assert "11 unchanged" in lit.up()
    assert lit.endpoints() == before


def test_the_outputs_name_what_serves(lit: Checkout) -> None:
    [endpoint] = lit.endpoints()
    outputs = json.loads(lit.run("pulumi", "stack", "output", "--json", "--stack", "dev"))
    search = outputs["endpoints"]["search"]
    assert set(search) == {"cloud", "kind", "url", "image", "weights", "plan"}
    assert search["url"] == endpoint["requestUrls"]["runSync"]
    assert "@sha256:" in search["image"]
    assert search["image"] == endpoint["image"]


def test_a_console_edit_shows_at_refresh_and_is_put_right(lit: Checkout) -> None:
    [endpoint] = lit.endpoints()
    lit.api("PATCH", f"/v2/serverless/{endpoint['id']}", {"workers": {"min": 0, "max": 1, "idleTimeout": 9}})
    assert "workers" in lit.run("pulumi", "refresh", "--yes", "--skip-preview", "--diff", "--stack", "dev")
    assert "1 updated" in lit.up()
    [put_right] = lit.endpoints()
    assert put_right["workers"] == endpoint["workers"]
    assert put_right["id"] == endpoint["id"]


def test_a_change_of_scaling_is_in_place(lit: Checkout) -> None:
    [before] = lit.endpoints()
    lit.edit("max=2", "max=1")
    assert "2 updated" in lit.up()
    [after] = lit.endpoints()
    assert (after["id"], after["workers"]["max"]) == (before["id"], 1)
    lit.edit("max=1", "max=2")
    lit.up()


def test_a_preview_starts_nothing_and_touches_nothing(fresh: Checkout) -> None:
    said = fresh.preview()
    assert "11 to create" in said
    assert not fresh.cloud_runs
    assert not (fresh.root / ".pilotlight/cloud").exists()
    assert [line for line in fresh.processes().values() if "localcloud" in line] == []


def test_without_credentials_the_real_cloud_is_refused_by_name(fresh: Checkout) -> None:
    fresh.run("pulumi", "stack", "init", "staging")
    said = fresh.run("pulumi", "up", "--yes", "--skip-preview", "--stack", "staging", code=None, timeout=60)
    assert "AWS_ACCESS_KEY_ID" in said
    assert "Traceback" not in said
    fresh.program(
        "from infra.runpod.sdk import Endpoint\n"
        "Endpoint('raw', image='x/y@sha256:" + "0" * 64 + "', gpu={'pools': ['AMPERE_24']})\n"
    )
    said = fresh.run("pulumi", "up", "--yes", "--skip-preview", "--stack", "staging", code=None, timeout=60)
    assert "RUNPOD_API_KEY" in said
    assert "Traceback" not in said


def test_down_leaves_nothing_behind(fresh: Checkout) -> None:
    fresh.run("pilotlight", "up")
    fresh.run("pilotlight", "down")
    assert fresh.processes() == {}
    assert fresh.objects() == []
    fresh.run("pilotlight", "cloud", "up")
    assert fresh.endpoints() == []
    fresh.run("pilotlight", "down")
    assert fresh.processes() == {}
