"""What an endpoint is for, as it travels with the cloud's resource: policies and plans read it, no cloud sees it."""

from typing import Any

import pulumi

from components.staged_weights import StagedWeights
from infra.spec.declarations import EndpointSpec, wire


def endpoint_intent(
    name: str, spec: EndpointSpec, image_bytes: pulumi.Output[int] | None, weights: StagedWeights | None
) -> dict[str, Any]:
    """`image_bytes` are what a cold worker has to fetch. Sizes that nobody declared are those of what was built and staged."""
    intent = {"endpoint": name, **wire(spec)}
    if spec.sizes is None:
        built = {} if image_bytes is None else {"image_bytes": image_bytes}
        staged = {} if weights is None else {"weights_bytes": weights.size_bytes}
        intent |= {"sizes": {**built, **staged}} if built or staged else {}
    return intent
