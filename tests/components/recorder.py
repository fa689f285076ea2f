"""What a program registers, kept: the SDK's own mocks in place of an engine."""

from typing import Any

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

ENDPOINT = "pilotlight-runpod:index:Endpoint"
APP = "pilotlight-modal:index:App"
SECRET = "pilotlight-modal:index:Secret"
VOLUME = "pilotlight-modal:index:Volume"
NETWORK_VOLUME = "pilotlight-runpod:index:NetworkVolume"
POD = "pilotlight-runpod:index:Pod"
RUNPOD_SECRET = "pilotlight-runpod:index:Secret"
REGISTRY = "pilotlight-runpod:index:Registry"


class Recorder(pulumi.runtime.Mocks):
    """Answers every registration with its inputs and made-up outputs, and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: dict[str, MockResourceArgs] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.seen[f"{args.typ}::{args.name}"] = args
        outputs = {
            "pilotlight-artifacts:index:Bucket": {"name": "weights-1a2b"},
            "pilotlight-artifacts:index:Weights": {"uri": "s3://weights-1a2b/m.json", "digest": "sha256:0"},
            "pilotlight-artifacts:index:Image": {"ref": "r/search@sha256:0", "digest": "sha256:0"},
            ENDPOINT: {"url": "http://127.0.0.1:1/v2/abc/runsync"},
            APP: {"name": "app-1a2b", "url": "http://127.0.0.1:1/w/search", "module": "pl_0"},
            SECRET: {"name": "search-1a2b"},
            VOLUME: {"name": "volume-1a2b"},
            RUNPOD_SECRET: {"name": f"{args.name}_1a2b"},
            POD: {"addresses": {}, "status": "RUNNING"},
        }
        return f"{args.name}-id", {**args.inputs, **outputs.get(args.typ, {})}

    def call(self, args: MockCallArgs) -> dict[Any, Any]:
        return {}


def run(program: Any) -> None:
    """Run a program to its end, outputs resolved; what it raises is raised here."""
    pulumi.runtime.test(program)()
