"""The demo on Modal: through its web address, the official client and CLI, and moved to the other cloud by one word."""

import json

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")


def client(lit: Checkout, *command: str) -> str:
    """Run an official client with the variables that `pilotlight cloud env` prints."""
    lines = lit.run("pilotlight", "cloud", "env").splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export MODAL_"))
    return lit.run(*command, **{name: value.strip("'") for name, value in pairs})


def app_name(lit: Checkout) -> str:
    apps = json.loads(client(lit, "modal", "app", "list", "--json"))
    [name] = [value for app in apps for value in app.values() if str(value).startswith("search-on-modal")]
    return str(name)


def test_the_web_address_answers_best_first(lit: Checkout) -> None:
    said = lit.run("pilotlight", "call", "search-on-modal", "--input", json.dumps(QUESTION))
    ranked = json.loads(said.splitlines()[-1])["ranked"]
    assert [entry["sentence"] for entry in ranked] == ["refunds take five days", "the cat sleeps"]


def test_a_wrong_request_is_explained(lit: Checkout) -> None:
    said = lit.run("pilotlight", "call", "search-on-modal", "--input", "{}", code=1)
    assert "question" in said
    assert "Traceback" not in said


def test_the_official_client_calls_the_same_handler(lit: Checkout) -> None:
    code = (
        "import json, modal, sys\n"
        "handler = modal.Cls.from_name(sys.argv[1], 'Model')()\n"
        "print(json.dumps(handler.predict.remote(json.loads(sys.argv[2]))))\n"
    )
    said = client(lit, "python", "-c", code, app_name(lit), json.dumps(QUESTION))
    assert json.loads(said.splitlines()[-1])["ranked"][0]["sentence"] == "refunds take five days"


def test_one_word_moves_an_endpoint_and_the_preview_says_what_comes_and_goes(lit: Checkout) -> None:
    lit.edit('"search-on-modal", cloud="modal"', '"search-on-modal", cloud="runpod"')
    said = lit.preview()
    assert "pilotlight-runpod:index:Endpoint search-on-modal create" in said
    assert "pilotlight-modal:index:App search-on-modal delete" in said
    assert "1 created" in lit.up()
    assert json.loads(client(lit, "modal", "app", "list", "--json")) == [] or "deployed" not in client(
        lit, "modal", "app", "list", "--json"
    )
    said = lit.run("pilotlight", "call", "search-on-modal", "--input", json.dumps(QUESTION))
    assert "refunds" in said
    lit.edit('"search-on-modal", cloud="runpod"', '"search-on-modal", cloud="modal"')
    lit.up()
