"""An app with functions, a class and a web endpoint, as a user writes it."""

from pathlib import Path

import pytest

SOURCE = """
import modal

image = modal.Image.debian_slim("3.11").env({"A": "1 2"})
app = modal.App("shop", image=image, tags={"team": "blue"})


@app.function(min_containers=0, max_containers=4, timeout=60, secrets=[modal.Secret.from_dict({"K": "v"})])
def double(x):
    return 2 * x


@app.function(gpu=["H100", "A100-80GB:2"], cpu=2.0, memory=512, schedule=modal.Period(hours=1))
def train():
    pass


@app.function()
@modal.fastapi_endpoint(method="POST", requires_proxy_auth=True)
def hook(body: dict):
    return body


@app.cls(scaledown_window=120)
@modal.concurrent(max_inputs=4, target_inputs=2)
class Model:
    size: int = modal.parameter(default=1)

    @modal.method()
    def predict(self, x):
        return x

    @modal.fastapi_endpoint(label="model-hello")
    def hello(self):
        return "hello"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "shop.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path
