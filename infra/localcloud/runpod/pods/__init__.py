"""Pods of the local RunPod: one long-lived process each, with its disks, ports and log."""

from infra.localcloud.runpod.pods.pods import LocalPods

__all__ = ["LocalPods"]
