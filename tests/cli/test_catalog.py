"""`pilotlight catalog`: facts as they are, and prices beside what the clouds charge."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from infra.catalog import load
from infra.cli import main
from infra.cli.catalog import SUBJECTS, table
from infra.cli.catalog_check import OLD_DAYS, Comparison, compare, modal_rows, runpod_rows

CATALOG = load()
BOOK = CATALOG.prices()


def card(type_id: str, **price: float) -> dict[str, Any]:
    return {"id": type_id, "price": price}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_subject_is_shown_and_is_json(subject: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["catalog", "show", subject, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(isinstance(value, str) for row in rows for value in row.values())
    assert main.main(["catalog", "show", subject]) == 0
    assert capsys.readouterr().out == table(rows) + "\n"


def test_what_a_cloud_lacks_is_shown_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["catalog", "show", "gpus"])
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("T4 ")]
    assert "RunPod serverless offers no T4" in line


def states(rows: list[Any]) -> dict[tuple[str, str], str]:
    return {(row.kind, row.what): row.state for row in rows}


def test_the_same_price_and_a_moved_one() -> None:
    rows = runpod_rows(
        CATALOG, BOOK, [card("NVIDIA L4", serverless=0.684), card("NVIDIA H200", serverless=6.696)]
    )
    found = states(rows)
    assert found["serverless", "L4"] == "same"
    assert found["serverless", "H200"] == "+20.0 %"
    assert found["pod_secure", "H200"] == "not offered"


def test_of_two_cards_of_a_class_the_dearer_counts() -> None:
    cards = [card("NVIDIA A100 80GB PCIe", secure=1.5), card("NVIDIA A100-SXM4-80GB", secure=1.79)]
    assert states(runpod_rows(CATALOG, BOOK, cards))["pod_secure", "A100-80GB"] == "same"


def test_a_price_that_the_book_lacks_is_a_row_and_no_disagreement() -> None:
    rows = runpod_rows(CATALOG, BOOK, [card("NVIDIA L4", secure=0.43), card("Quantum 9000", secure=1)])
    assert states(rows)["pod_secure", "L4"] == "not in the book"
    assert Comparison("b", 0, rows).agrees


def test_modals_rates_are_known_by_their_names() -> None:
    rows = modal_rows(CATALOG, BOOK, {"GPU H100": "3.9492", "CPU core": "0.05", "Pixie dust": "1"})
    found = {row.what: row.state for row in rows}
    assert found["GPU H100"] == "same"
    assert found["CPU core"] != "same"
    assert found["Pixie dust"] == "not in the book"
    assert not Comparison("b", 0, rows).agrees


def test_an_old_book_does_not_pass_even_where_prices_agree() -> None:
    assert Comparison("b", OLD_DAYS).agrees
    assert not Comparison("b", OLD_DAYS + 1).agrees
    assert "look again" in Comparison("b", OLD_DAYS + 1).as_text()


def test_without_credentials_it_says_which_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("RUNPOD_API_KEY", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert main.main(["catalog", "check"]) == 1
    said = capsys.readouterr().err
    assert "RUNPOD_API_KEY is not set" in said
    assert "MODAL_TOKEN_ID" in said


def test_one_cloud_alone_is_compared_and_the_other_left_out_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(local: bool, left_out: dict[str, str]) -> dict[str, Any]:
        left_out["modal"] = "no token"
        return {"runpod": [card("NVIDIA L4", serverless=0.684)]}

    monkeypatch.setattr("infra.cli.catalog_check._ask", ask)
    found = compare(CATALOG, local=False, today=date.fromisoformat(BOOK.as_of) + timedelta(days=3))
    assert found.age_days == 3
    assert "modal is left out: no token" in found.as_text()
    data = found.as_data()
    assert data["agrees"] is True
    [row] = [row for row in data["prices"] if row["state"] == "same"]
    assert (row["cloud"], row["kind"], row["what"]) == ("runpod", "serverless", "L4")
