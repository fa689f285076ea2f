"""Settings: defaults, assignments, files, and what does not fit."""

import json
from pathlib import Path

import pytest

from infra.localcloud.core.settings import Settings, SettingsError


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / "settings.json")
    assert (settings.cold_start, settings.rollout, settings.rate_limit) == ("instant", "real", True)
    assert (settings.rate_limits.minute, settings.rate_limits.hour, settings.rate_limits.day) == (
        60,
        3000,
        50000,
    )
    assert not (tmp_path / "settings.json").exists()


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("cold_start=real", {"cold_start": "real"}),
        ('rollout="instant"', {"rollout": "instant"}),
        ("rate_limit=false", {"rate_limit": False}),
        ("rate_limits.minute=5", {"rate_limits": {"minute": 5}}),
        ("concurrency_limits.runsync=3", {"concurrency_limits": {"runsync": 3}}),
        ('faults.storm={"kind": "rate_limit", "times": 2}', None),
    ],
)
def test_an_assignment_takes_effect_and_is_kept(
    tmp_path: Path, assignment: str, changed: dict[str, object] | None
) -> None:
    path = tmp_path / "cloud" / "settings.json"
    settings = Settings.load(path)
    told: list[Settings] = []
    settings.on_change(lambda: told.append(settings))
    settings.set(assignment)
    assert told == [settings]
    assert Settings.load(path).model_dump() == settings.model_dump() != Settings().model_dump()
    if changed is not None:
        assert json.loads(path.read_text()) == changed
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


def test_null_takes_a_fault_away(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / "settings.json")
    settings.update({"faults": {"a": {"kind": "gone"}, "b": {"kind": "slow"}}})
    settings.update({"faults": {"a": None}})
    assert list(settings.faults) == ["b"]
    assert list(Settings.load(tmp_path / "settings.json").faults) == ["b"]
    settings.set("faults=null")
    assert settings.faults == {}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("cold_start=slow", "cold_start: Input should be 'instant' or 'real'"),
        ("colour=red", "colour: Extra inputs are not permitted"),
        ("rate_limits.minute=0", "rate_limits.minute: Input should be greater than 0"),
        ("rate_limits=5", "rate_limits: "),
        ("faults.x.kind=meteor", "faults.x.kind: Input should be"),
        ("rollout", "'rollout' sets nothing"),
        ("=1", "'=1' sets nothing"),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path: Path, assignment: str, message: str) -> None:
    settings = Settings.load(tmp_path / "settings.json")
    with pytest.raises(SettingsError) as raised:
        settings.set(assignment)
    assert message in str(raised.value)
    assert settings.model_dump() == Settings().model_dump()
    assert not (tmp_path / "settings.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"rollout": 5}', '{"unknown": 1}'])
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.json"):
        Settings.load(path)
    assert path.read_text() == text


def test_the_nearest_stock_setting_counts(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / "settings.json")
    assert settings.stock_of("EU-RO-1", "NVIDIA L4", "AMPERE_24") == "HIGH"
    settings.set("stock.*.AMPERE_24=LOW")
    settings.set("stock.EU-RO-1.*=MEDIUM")
    settings.set("stock.EU-RO-1.NVIDIA L4=NONE")
    assert settings.stock_of("EU-RO-1", "NVIDIA L4", "AMPERE_24") == "NONE"
    assert settings.stock_of("EU-RO-1", "NVIDIA RTX A5000", "AMPERE_24") == "MEDIUM"
    assert settings.stock_of("US-KS-2", "NVIDIA RTX A5000", "AMPERE_24") == "LOW"
    assert settings.stock_of("US-KS-2", "NVIDIA H200", None) == "HIGH"
    with pytest.raises(SettingsError):
        settings.set("stock.EU-RO-1.*=SOME")
    with pytest.raises(SettingsError):
        settings.set("stock=NONE")
