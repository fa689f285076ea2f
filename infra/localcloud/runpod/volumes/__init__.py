"""Network volumes of the local RunPod: directories, mounted by workers and pods and served by an S3 API of their own."""

from infra.localcloud.runpod.volumes.directories import VolumeDirectories

__all__ = ["VolumeDirectories"]
