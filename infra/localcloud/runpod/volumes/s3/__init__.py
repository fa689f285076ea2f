"""RunPod's S3-compatible API of network volumes: what it supports, and what it refuses."""

from infra.localcloud.runpod.volumes.s3.app import Credentials, s3_site

__all__ = ["Credentials", "s3_site"]
