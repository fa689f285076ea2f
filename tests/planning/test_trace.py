"""Files of requests: what is read, what is tolerated and said, what is refused and how."""

import json
from pathlib import Path

import pytest

from infra.planning.profile import TrafficProfile
from infra.planning.synthetic import profile_of
from infra.planning.trace import Requests, TraceError, read_trace
from infra.spec.declarations import Traffic


def read(folder: Path, text: str, name: str = "t.csv") -> Requests:
    (folder / name).write_text(text)
    return read_trace(folder / name)


def test_seconds_and_durations_under_many_names(tmp_path: Path) -> None:
    found = read(tmp_path, "duration_s,timestamp\n2,10\n3,12.5\n")
    assert (found.times, found.services) == ([10.0, 12.5], [2.0, 3.0])


def test_without_a_header_the_time_comes_first(tmp_path: Path) -> None:
    found = read(tmp_path, "10,2\n12.5,3\n")
    assert (found.times, found.services) == ([10.0, 12.5], [2.0, 3.0])
    assert read(tmp_path, "10\n12\n").services == []


def test_milliseconds_are_recognised(tmp_path: Path) -> None:
    found = read(tmp_path, "timestamp,duration_ms\n1700000000000,250\n1700000001500,500\n")
    assert found.times == [1_700_000_000.0, 1_700_000_001.5]
    assert found.services == [0.25, 0.5]


def test_azures_columns_and_seven_digits(tmp_path: Path) -> None:
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n"
    found = read(tmp_path, text)
    assert found.times[1] - found.times[0] == pytest.approx(0.052)
    assert found.output_tokens == [10.0, 8.0]
    assert found.notes == ("times without an offset were read as UTC",)


def test_offsets_are_turned_to_utc(tmp_path: Path) -> None:
    found = read(tmp_path, "time\n2026-01-01T10:00:00+02:00\n2026-01-01T08:00:01Z\n")
    assert found.times[1] - found.times[0] == 1.0
    assert found.notes == ()


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"ts": 1, "seconds": 2}, {"seconds": 4, "ts": 3}]
    found = read(tmp_path, "\n\n".join(map(json.dumps, rows)), "t.jsonl")
    assert (found.times, found.services) == ([1.0, 3.0], [2.0, 4.0])


def test_rows_out_of_order_are_sorted_with_their_durations_and_it_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, "t,duration_s\n3,30\n1,10\n2,20\n")
    assert (found.times, found.services) == ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0])
    assert "out of order" in found.notes[0]


def test_silences_are_kept_as_they_are(tmp_path: Path) -> None:
    profile = TrafficProfile.from_requests(read(tmp_path, "t\n0\n1\n1000001\n"))
    assert profile.longest_silence_s == 1_000_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no requests"),
        ("\n\n", "has no requests"),
        ("timestamp\n", "has no requests"),
        ("timestamp\n5\n", "has 1 request"),
        ("timestamp\n5\n5\n5\n", "at the same moment"),
        ("timestamp,duration_s\n5,1\n6,-2\n", "line 3: the duration is -2"),
        ("timestamp,duration_s\n5,1\n6,nan\n", "line 3: the duration is nan"),
        ("timestamp,duration_s\n5,1\n6,\n", "line 3: no duration"),
        ("timestamp,duration_s\n5,1\n6\n", "line 3: too few columns"),
        ("timestamp\n5\ninf\n", "line 3: the time is inf"),
        ("timestamp\n5\nyesterday\n", "line 3: 'yesterday' is no time"),
        ("when,what\nnow,that\n", "has no column with the time of a request; it has: when, what"),
        (
            "time\n2026-01-01T10:00:00+02:00\n2026-01-01T08:00:01\n",
            "1 times without an offset and 1 with one",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", b"1\n2\n", "no known kind"),
        ("t.csv", b"\xff\xfe\x00\x01", "not text"),
        ("t.jsonl", b"{\n", "line 1 is not JSON"),
        ("t.jsonl", b"[1]\n", "line 1 is not an object"),
        ("t.parquet", b"PAR", "arquet"),
    ],
)
def test_what_is_no_trace_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TraceError) as caught:
        read_trace(tmp_path / name)
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"no\.csv cannot be read: no such file"):
        profile_of(Traffic(trace="no.csv"), tmp_path, 100)


def test_a_million_lines_are_read_once_and_sampled_by_stretches(tmp_path: Path) -> None:
    lines = "\n".join(f"{number * 0.5},1" for number in range(1_000_000))
    (tmp_path / "big.csv").write_text(f"t,duration_s\n{lines}\n")
    profile = profile_of(Traffic(trace="big.csv"), tmp_path, 5_000)
    assert len(profile.arrivals) <= 5_000
    assert profile.requests_per_hour == pytest.approx(7200, rel=0.001)
    assert profile.services == [1.0] * len(profile.arrivals)
    assert profile_of(Traffic(trace="big.csv"), tmp_path, 5_000) == profile
