"""An endpoint on RunPod: a queue or a load balancer in front of workers that run the built image."""

from collections.abc import Iterable, Mapping

import pulumi

from components._base import Deployed
from components.intent import endpoint_intent
from components.model_image import ModelImage
from components.runpod_mapping import environment, to_runpod
from components.staged_weights import StagedWeights
from infra.catalog import load
from infra.runpod.sdk import Endpoint
from infra.spec.declarations import Cloud, EndpointSpec, SecretRef, SpecError


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
        env={
            **environment(spec),
            **secret_environment(spec.secrets),
            **(weights.worker_env if weights else {}),
            **env,
        },
        intent=endpoint_intent(
            name, spec, image.size_bytes if isinstance(image, ModelImage) else None, weights
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[weights] if weights else None),
        **arguments,
    )
    return Deployed(endpoint, endpoint.url, ref)


def secret_environment(secrets: Iterable[SecretRef]) -> dict[str, pulumi.Input[str]]:
    """By reference, never by value: RunPod puts the value there when a worker starts."""
    return {secret.env: _reference(secret.name_on(Cloud.RUNPOD)) for secret in secrets}


def _reference(name: "pulumi.Input[str]") -> "pulumi.Input[str]":
    if isinstance(name, str):
        return f"{{{{ RUNPOD_SECRET_{name} }}}}"
    return pulumi.Output.concat("{{ RUNPOD_SECRET_", name, " }}")
