"""An endpoint on RunPod: one queue endpoint that runs the built image."""

from collections.abc import Mapping

import pulumi

from components._base import Deployed
from components.model_image import ModelImage
from components.runpod_mapping import environment, to_runpod
from components.staged_weights import StagedWeights
from infra.catalog import load
from infra.runpod.sdk import Endpoint
from infra.spec.declarations import EndpointSpec, SpecError, wire


def deploy_on_runpod(
    parent: pulumi.Resource,
    name: str,
    spec: EndpointSpec,
    image: "ModelImage | pulumi.Input[str]",
    weights: StagedWeights | None,
    env: Mapping[str, pulumi.Input[str]],
) -> Deployed:
    """Register the endpoint under `parent`. Raises `SpecError` with every reason why RunPod cannot run it."""
    arguments, problems = to_runpod(spec, load())
    if problems:
        raise SpecError(f"endpoint {name!r} on RunPod", problems)
    ref = image.ref if isinstance(image, ModelImage) else image
    endpoint = Endpoint(
        name,
        image=ref,
        env={**environment(spec), **(weights.worker_env if weights else {}), **env},
        intent={"endpoint": name, **wire(spec)},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[weights] if weights else None),
        **arguments,
    )
    return Deployed(endpoint, endpoint.url, ref)
