"""The examples of docs/runpod.md, as they stand there, through the real engine on the local cloud."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")

PAGE = Path(__file__).parents[2] / "docs/runpod.md"


def program() -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))


@pytest.fixture(scope="module")
def examples(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    checkout = Checkout.make(tmp_path_factory.mktemp("runpod") / "app")
    checkout.program(program())
    checkout.up()
    yield checkout
    checkout.run("pulumi", "destroy", "--yes", "--skip-preview", "--stack", "dev")
    assert checkout.endpoints() == []
    assert checkout.api("GET", "/v2/pods")["pods"] == []
    assert checkout.api("GET", "/v2/network-volumes")["networkVolumes"] == []
    checkout.run("pilotlight", "cloud", "down", code=None)


def outputs(examples: Checkout) -> Any:
    return json.loads(examples.run("pulumi", "stack", "output", "--stack", "dev", "--json"))


def call(examples: Checkout, name: str, request: dict[str, Any]) -> Any:
    said = examples.run("pilotlight", "call", name, "--input", json.dumps(request))
    return json.loads(said.splitlines()[-1])


def fetch(examples: Checkout, url: str, body: Any, **headers: str) -> bytes:
    key = examples.cloud["runpod"]["api_key"]
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        read: bytes = answer.read()
        return read


@pytest.mark.parametrize("name", ["queue", "cpu"])
def test_a_queue_endpoint_answers_on_gpu_and_cpu_classes(examples: Checkout, name: str) -> None:
    ranked = call(examples, name, QUESTION)["ranked"]
    assert ranked[0]["sentence"] == "refunds take five days"


def test_a_secret_is_a_reference_in_the_endpoint_and_a_value_in_no_state(examples: Checkout) -> None:
    [endpoint] = [one for one in examples.endpoints() if one["name"].startswith("queue")]
    assert re.fullmatch(r"\{\{ RUNPOD_SECRET_\S+ \}\}", endpoint["env"]["HF_TOKEN"])
    assert "kept by RunPod" not in examples.state()


def test_a_load_balancer_streams_what_the_handler_yields(examples: Checkout) -> None:
    url = outputs(examples)["endpoints"]["stream"]["url"]
    text = fetch(examples, url, {"input": QUESTION}, Accept="text/event-stream").decode()
    rows = [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]
    assert [row["sentence"] for row in rows] == QUESTION["sentences"]
    assert rows[1]["similarity"] > rows[0]["similarity"]


def test_the_openai_routes_give_embeddings(examples: Checkout) -> None:
    url = (
        outputs(examples)["endpoints"]["embeddings"]["url"].removesuffix("/runsync") + "/openai/v1/embeddings"
    )
    answer = json.loads(fetch(examples, url, {"model": "all-MiniLM-L6-v2", "input": ["a cat", "a dog"]}))
    assert [len(row["embedding"]) for row in answer["data"]] == [384, 384]


def test_what_a_pod_has_trained_an_endpoint_serves(examples: Checkout) -> None:
    answer = call(examples, "line", {"inputs": [1, 1, 1]})
    assert answer["trained_steps"] == 60
    assert answer["value"] == pytest.approx(1.5, abs=0.05)
    [pod] = examples.api("GET", "/v2/pods")["pods"]
    assert pod["status"] == "EXITED"


def test_nothing_changes_the_second_time(examples: Checkout) -> None:
    said = examples.up()
    assert "unchanged" in said
    assert "updated" not in said
    assert "created" not in said
