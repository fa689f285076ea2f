"""Environments and secrets, through the official CLI and library."""

import pytest


def test_environments_are_created_listed_renamed_and_deleted(cloud) -> None:
    cloud.modal("environment", "create", "staging")
    assert [row["name"] for row in cloud.modal_json("environment", "list")] == ["main", "staging"]
    assert "already exists" in cloud.modal("environment", "create", "staging", ok=False)
    cloud.modal("secret", "create", "key", "A=1", "--env", "staging")
    cloud.modal("environment", "update", "staging", "--set-name", "stage")
    assert cloud.modal_json("secret", "list", "--env", "stage")[0]["name"] == "key"
    cloud.modal("environment", "delete", "stage", "--yes")
    assert [row["name"] for row in cloud.modal_json("environment", "list")] == ["main"]
    assert "Environment 'stage' not found" in cloud.modal("app", "list", "--env", "stage", ok=False)


def test_the_default_environment_stays(cloud) -> None:
    assert "stays" in cloud.modal("environment", "delete", "main", "--yes", ok=False)


def test_secrets_are_created_listed_and_deleted(cloud) -> None:
    cloud.modal("secret", "create", "key", "A=1", "B=2")
    assert "already exists" in cloud.modal("secret", "create", "key", "A=1", ok=False)
    cloud.modal("secret", "create", "key", "A=3", "--force")
    (row,) = cloud.modal_json("secret", "list")
    assert row["name"] == "key"
    (record,) = cloud.world.secret_records.values()
    assert record.values == {"A": "3"}
    cloud.restart()
    cloud.modal("secret", "delete", "key", "--yes")
    assert cloud.modal_json("secret", "list") == []


def test_a_secret_without_a_key_that_is_needed_is_refused(cloud) -> None:
    cloud.modal("secret", "create", "key", "A=1")
    code = "import modal; modal.Secret.from_name('key', required_keys=['A', 'B', 'C']).hydrate()"
    assert "Secret is missing key(s): B, C" in cloud.python(code, ok=False)


def test_an_unknown_secret_is_named(cloud) -> None:
    code = "import modal; modal.Secret.from_name('nope').hydrate()"
    assert "Secret 'nope' not found in environment 'main'" in cloud.python(code, ok=False)


def test_a_secret_is_updated_key_by_key_and_shows_no_value(cloud) -> None:
    cloud.modal("secret", "create", "key", "A=1", "B=2")
    said = cloud.python(
        "import modal\n"
        "s = modal.Secret.from_name('key')\n"
        "s.hydrate(); s.update({'B': '3', 'C': '4'})\n"
        "print(s.info().name, sorted(s._get_keys()) if hasattr(s, '_get_keys') else '')\n"
    )
    assert said.startswith("key ")
    assert cloud.world.secrets.env([record.secret_id for record in cloud.world.secret_records.values()]) == {
        "A": "1",
        "B": "3",
        "C": "4",
    }


@pytest.mark.parametrize("words", [("profile", "current"), ("token", "info")])
def test_the_account_is_shown(cloud, words: tuple[str, str]) -> None:
    assert cloud.modal(*words)
