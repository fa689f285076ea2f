"""No credential and no path of a machine comes through, wherever it stood."""

from pathlib import Path

import pytest

from infra.report.model import Diagnostic
from infra.report.redact import Redactor, secrets_in, secrets_of

REDACTOR = Redactor(["canary-value"], Path("/home/bob/shop"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("it said canary-value!", "it said [secret]!"),
        ("key rpa_ABCDEFGHIJKLMNOP1234 is bad", "key [secret] is bad"),
        ("RUNPOD_API_KEY=abcdefgh123 failed", "RUNPOD_API_KEY=[secret] failed"),
        ('{"token": "abcdefgh"}', '{"token": "[secret]"}'),
        ("https://bob:hunter22@host/x", "https://[secret]@host/x"),
        ("Authorization: Bearer abcdef.ghijkl", "Authorization: Bearer [secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[secret]"),
        ("/home/bob/shop/stacks/__main__.py, line 3", "./stacks/__main__.py, line 3"),
        ("see /home/eve/x/y.py", "see …/y.py"),
        ("C:\\Users\\eve\\y.py is bad", "…/y.py is bad"),
        ("file:///tmp/pilotlight-x/tree/z.py", "…/z.py"),
        ("GET https://rest.runpod.io/v1/home/x said 404", "GET https://rest.runpod.io/v1/home/x said 404"),
        ("POST /v2/serverless said 500", "POST /v2/serverless said 500"),
        ("2 to 4 workers, at 1/2 of it", "2 to 4 workers, at 1/2 of it"),
        ("cold start p95 41 s", "cold start p95 41 s"),
    ],
)
def test_texts(said: str, shown: str) -> None:
    assert REDACTOR.text(said) == shown


def test_data_is_redacted_at_any_depth() -> None:
    given = ({"canary-value": [1], "x": (Diagnostic("error", "a canary-value"),)}, "y")
    assert REDACTOR.all(given) == ({"[secret]": [1], "x": (Diagnostic("error", "a [secret]"),)}, "y")


def test_credentials_are_found_by_their_names() -> None:
    environment = {
        "RUNPOD_API_KEY": "a",
        "MODAL_TOKEN_SECRET": "b",
        "HOME": "/x",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "/y",
    }
    assert secrets_of(environment) == ["a", "b"]
    tree = {
        "env": {"DB": "h4x0rpass-is-long-enough", "STAGE": "production"},
        "deep": [{"apiKey": "k3y"}],
        "name": "n",
    }
    assert sorted(secrets_in(tree)) == ["h4x0rpass-is-long-enough", "k3y"]


def test_short_values_are_no_secrets_or_every_word_would_be_one() -> None:
    assert Redactor(["1", "on"]).text("1 worker is on") == "1 worker is on"
