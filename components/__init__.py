"""What a user declares with. `from components import ModelEndpoint, ModelImage, StagedWeights, WeightBucket`."""

from components.model_endpoint import ModelEndpoint, export_endpoints
from components.model_image import ModelImage
from components.staged_weights import StagedWeights
from components.weight_bucket import WeightBucket
from infra.spec.declarations import (
    Auth,
    BucketKind,
    Budget,
    Cloud,
    CpuSpec,
    EndpointKind,
    Scaler,
    SecretRef,
    Slo,
    Traffic,
    VolumeMount,
    Workers,
)

__all__ = [
    "Auth",
    "BucketKind",
    "Budget",
    "Cloud",
    "CpuSpec",
    "EndpointKind",
    "ModelEndpoint",
    "ModelImage",
    "Scaler",
    "SecretRef",
    "Slo",
    "StagedWeights",
    "Traffic",
    "VolumeMount",
    "WeightBucket",
    "Workers",
    "export_endpoints",
]
