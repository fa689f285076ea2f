"""Load-balancing endpoints of the local RunPod: requests go straight to the workers' own HTTP servers.

RunPod serves each at a host name of its own, which cannot stand on a loopback port; here its address is
`<base_url>/lb/<endpoint id>/<any path>`. Sources of the rules: RunPod's documentation, "Load balancing" and "Worker
affinity", as of 2026-08.
"""

from infra.localcloud.runpod.balancer.endpoint import BalancedEndpoint
from infra.localcloud.runpod.balancer.proxy import Proxy

__all__ = ["BalancedEndpoint", "Proxy"]
