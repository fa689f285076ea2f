"""A pipeline and a training job on the local cloud, declared as a user declares them: CPU and GPU steps, and a run that goes on."""

import json
from typing import Any

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")

PIPELINE = """
from components import CpuSpec, ModelImage, ModelPipeline, Step, export_endpoints

ranking = ModelPipeline(
    "ranking",
    image=ModelImage("ranking", handler="stacks/examples/pipeline"),
    steps=[
        Step(entry="clean.py:clean", cpu=CpuSpec(vcpu=1, memory_gib=0.25), timeout_s=20),
        Step(entry="embed.py:embed", gpu="L4", timeout_s=60),
        Step(entry="rank.py:rank", cpu=CpuSpec(vcpu=2), timeout_s=20),
    ],
)
export_endpoints(ranking)
"""
JOB = """
import pulumi

from components import ModelImage, ModelVolume, TrainingJob

checkpoints = ModelVolume("checkpoints", force_destroy=True)
image = ModelImage("tune", handler="stacks/examples/training")
tune = TrainingJob("tune", image=image, entry="train.py:train", checkpoints=checkpoints, gpu="H100", retries=1)
pulumi.export("jobs", {"tune": tune.summary()})
"""
CALL = """
import json, modal, sys
app, function, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if function == "Model":
    answer = modal.Cls.from_name(app, function)().predict.remote(arguments)
else:
    answer = modal.Function.from_name(app, function).remote(**arguments)
print(json.dumps(answer))
"""


def client(lit: Checkout, *command: str, code: int | None = 0) -> str:
    """Run an official client with the variables that `pilotlight cloud env` prints."""
    lines = lit.run("pilotlight", "cloud", "env").splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export MODAL_"))
    return lit.run(*command, code=code, **{name: value.strip("'") for name, value in pairs})


def remote(lit: Checkout, app: str, function: str, arguments: dict[str, Any], code: int = 0) -> Any:
    said = client(lit, "python", "-c", CALL, app, function, json.dumps(arguments), code=code)
    return said if code else json.loads(said.splitlines()[-1])


def app_name(lit: Checkout, prefix: str) -> str:
    apps = json.loads(client(lit, "modal", "app", "list", "--json"))
    [name] = [value for app in apps for value in app.values() if str(value).startswith(prefix)]
    return str(name)


def output(lit: Checkout, name: str) -> Any:
    return json.loads(lit.run("pulumi", "stack", "output", "--stack", "dev", "--json"))[name]


@pytest.fixture
def pipeline(fresh: Checkout) -> Checkout:
    fresh.program(PIPELINE)
    fresh.up()
    return fresh


def test_a_pipeline_answers_over_http_and_to_the_official_client(pipeline: Checkout) -> None:
    said = pipeline.run("pilotlight", "call", "ranking", "--input", json.dumps(QUESTION))
    ranked = json.loads(said.splitlines()[-1])["ranked"]
    assert len(ranked) == 2

    name = app_name(pipeline, "ranking")
    answer = remote(pipeline, name, "Model", {"question": "refund?", "sentences": ["a cat", "refunds"]})
    assert answer["ranked"][0]["sentence"] == "refunds"
    # a step by itself, too
    cleaned = remote(pipeline, name, "clean", {"request": {"question": "q", "sentences": ["s"]}})
    assert len(cleaned["triples"]) == 2

    said = pipeline.run("pilotlight", "call", "ranking", "--input", "{}", code=1)
    assert "question: wanted a text that is not empty" in said
    assert "Traceback" not in said

    assert "unchanged" in pipeline.up()


def test_a_training_run_goes_on_from_its_last_checkpoint(fresh: Checkout) -> None:
    fresh.program(JOB)
    assert "6 created" in fresh.up()
    job = output(fresh, "jobs")["tune"]
    done = remote(fresh, job["app"], job["function"], {"steps": 100, "fail_at": 50})
    assert (done["from"], done["to"]) == (40, 100)  # cut off at 50, the last checkpoint was at 40
    done = remote(fresh, job["app"], job["function"], {"steps": 200})
    assert (done["from"], done["to"]) == (100, 200)
    assert done["loss"] < 1e-6
    assert "last.npz" in client(fresh, "modal", "volume", "ls", job["checkpoints"])
