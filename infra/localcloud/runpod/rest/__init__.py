"""RunPod's REST v2, the control plane of the local cloud's RunPod half."""

from infra.localcloud.runpod.rest.problems import problem_middleware
from infra.localcloud.runpod.rest.routes import COLLECTIONS, routes
from infra.localcloud.runpod.rest.service import ImageResolver, RestService

__all__ = ["COLLECTIONS", "ImageResolver", "RestService", "problem_middleware", "routes"]
