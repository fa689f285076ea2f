"""`pilotlight traffic`: what a log gives, what a count gives, and that the plan takes it."""

import json
from pathlib import Path

import pytest
import yaml

from infra.cli import main
from infra.cli.traffic import TrafficUnknown, as_text, from_counts
from infra.spec.expectations import Traffic

LOG = "timestamp,duration_s\n" + "".join(f"{at},{1 + at % 3}\n" for at in range(0, 90_000, 450))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.csv"
    path.write_text(LOG)
    return path


def test_a_log_becomes_a_traffic_that_a_declaration_takes(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.yaml"
    assert main.main(["traffic", "search", "--from", str(log), "-o", str(out)]) == 0
    text = out.read_text()
    traffic = Traffic.model_validate(yaml.safe_load(text))
    assert traffic.gap_quantiles_s is not None
    assert len(traffic.gap_quantiles_s) == 24
    assert traffic.gap_quantiles_s[3][4] == 450
    assert traffic.service_quantiles_s is not None
    assert text.startswith("# 200 requests over 25.0 hours of gateway.csv\n")


def test_a_json_file_gets_json(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.json"
    assert main.main(["traffic", "search", "--from", str(log), "-o", str(out)]) == 0
    assert Traffic.model_validate(json.loads(out.read_text())).gap_quantiles_s is not None


@pytest.mark.parametrize(
    ("text", "word"), [("t\n", "no requests"), ("t\n1\n", "1 request"), ("t\nsoon\nlater\n", "is no time")]
)
def test_a_log_that_says_nothing_is_refused(
    log: Path, text: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_text(text)
    assert main.main(["traffic", "search", "--from", str(log)]) == 1
    assert word in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_explained(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["traffic", "x", "--from", str(log), "-o", str(log.parent / "no/t.yaml")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_counts_are_a_mean_rate_and_percentiles_become_evenly_spaced() -> None:
    traffic = from_counts(240, 24, [(0.99, 9.0), (0.5, 1.0), (0.9, 5.0)])
    assert traffic.requests_per_hour == 10
    served = traffic.service_quantiles_s
    assert served is not None
    assert (served[0], served[4], served[-1]) == (1.0, 1.0, 9.0)
    assert 3.0 < served[6] < 4.0  # between the median and the 90th
    assert served == sorted(served)


def test_no_request_is_no_profile() -> None:
    for count, hours in ((0, 24.0), (5, 0.0)):
        with pytest.raises(TrafficUnknown):
            from_counts(count, hours, [])
    assert from_counts(5, 1.0, []).service_quantiles_s is None


def test_a_note_cannot_leave_its_comment() -> None:
    text = as_text(from_counts(5, 1.0, []), ["a\ngrowth: 9"], is_json=False)
    assert yaml.safe_load(text) == {"requests_per_hour": 5.0}
