"""The rules at the engine's own gates: plain `pulumi preview`, the pack, and `pilotlight check`, which say the same."""

import json

import pytest

from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.xdist_group("e2e")

SETTINGS = "policies/settings.yaml"


def test_one_rule_set_at_every_gate(lit: Checkout) -> None:
    settings = lit.root / SETTINGS
    before = settings.read_text()
    try:
        assert "resource x rule pairs proved" in _packed(lit, code=0)

        settings.write_text(
            "worker-quota: {severity: error, modal: 1}\nprice-book-age: {max_days: 0, warn_days: 0}\n"
        )
        offline = lit.run("pilotlight", "check", "-s", "dev", "--format", "json", code=3)
        rules = {
            finding["rule"] for finding in json.loads(offline)["findings"] if finding["severity"] == "error"
        }
        assert rules == {"worker-quota", "price-book-age"}
        assert "asks for up to 2 workers, and the Modal workspace may have 1" in lit.preview(code=None)

        # an image that this program has yet to build is not known in a preview: the pack fails closed
        settings.write_text("price-book-age: {max_days: 0, warn_days: 0}\nimage-digest: {severity: error}\n")
        lit.edit('ModelImage("search"', 'ModelImage("other"')
        packed = _packed(lit, code=None)
        assert "[mandatory]  price-book-age" in packed
        assert "days old" in packed
        assert "[mandatory]  image-digest" in packed
        assert "known at `up` only, of which 1 counts as failed" in packed
    finally:
        settings.write_text(before)


def _packed(checkout: Checkout, code: int | None) -> str:
    return checkout.run("pulumi", "preview", "--stack", "dev", "--policy-pack", "policies", code=code)
