"""What a user declares with. `from components import ModelEndpoint, ModelImage, …`."""

from components.image_registry import ImageRegistry
from components.model_endpoint import ModelEndpoint, export_endpoints
from components.model_image import ModelImage
from components.model_machine import ModelMachine
from components.model_pipeline import ModelPipeline
from components.model_secret import ModelSecret
from components.model_volume import ModelVolume
from components.staged_weights import StagedWeights
from components.training_job import TrainingJob
from components.weight_bucket import WeightBucket
from infra.spec.declarations import (
    Auth,
    BucketKind,
    Budget,
    Cloud,
    CpuSpec,
    EndpointKind,
    LlmSpec,
    Questions,
    Scaler,
    SecretRef,
    Sizes,
    Slo,
    Step,
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
    "ImageRegistry",
    "LlmSpec",
    "ModelEndpoint",
    "ModelImage",
    "ModelMachine",
    "ModelPipeline",
    "ModelSecret",
    "ModelVolume",
    "Questions",
    "Scaler",
    "SecretRef",
    "Sizes",
    "Slo",
    "StagedWeights",
    "Step",
    "Traffic",
    "TrainingJob",
    "VolumeMount",
    "WeightBucket",
    "Workers",
    "export_endpoints",
]
