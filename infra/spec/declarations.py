"""Every declaration under one name."""

from infra.spec.base import Cloud, EndpointKind, Spec
from infra.spec.endpoint import Auth, CpuSpec, EndpointSpec
from infra.spec.expectations import Budget, Slo, Traffic
from infra.spec.image import ImageSpec
from infra.spec.job import JobSpec
from infra.spec.machine import Machine
from infra.spec.model_facts import LlmSpec, MeasuredSpeed, Sizes
from infra.spec.parsing import SpecError, parse, wire
from infra.spec.pipeline import PipelineSpec, Step
from infra.spec.questions import Questions
from infra.spec.references import DeclaredRegistry, DeclaredSecret, SecretRef, registry_on
from infra.spec.scaling import Scaler, ScalerType, Workers
from infra.spec.storage import BucketKind, BucketSpec, VolumeMount, WeightsSpec
from infra.spec.volume import DeclaredVolume, VolumeSpec

__all__ = [
    "Auth",
    "BucketKind",
    "BucketSpec",
    "Budget",
    "Cloud",
    "CpuSpec",
    "DeclaredRegistry",
    "DeclaredSecret",
    "DeclaredVolume",
    "EndpointKind",
    "EndpointSpec",
    "ImageSpec",
    "JobSpec",
    "LlmSpec",
    "Machine",
    "MeasuredSpeed",
    "PipelineSpec",
    "Questions",
    "Scaler",
    "ScalerType",
    "SecretRef",
    "Sizes",
    "Slo",
    "Spec",
    "SpecError",
    "Step",
    "Traffic",
    "VolumeMount",
    "VolumeSpec",
    "WeightsSpec",
    "Workers",
    "parse",
    "registry_on",
    "wire",
]
