"""Every declaration under one name."""

from infra.spec.base import Cloud, EndpointKind, Spec
from infra.spec.endpoint import Auth, CpuSpec, EndpointSpec, SecretRef
from infra.spec.expectations import Budget, Slo, Traffic
from infra.spec.image import ImageSpec
from infra.spec.parsing import SpecError, parse, wire
from infra.spec.scaling import Scaler, ScalerType, Workers
from infra.spec.storage import BucketKind, BucketSpec, VolumeMount, WeightsSpec

__all__ = [
    "Auth",
    "BucketKind",
    "BucketSpec",
    "Budget",
    "Cloud",
    "CpuSpec",
    "EndpointKind",
    "EndpointSpec",
    "ImageSpec",
    "Scaler",
    "ScalerType",
    "SecretRef",
    "Slo",
    "Spec",
    "SpecError",
    "Traffic",
    "VolumeMount",
    "WeightsSpec",
    "Workers",
    "parse",
    "wire",
]
