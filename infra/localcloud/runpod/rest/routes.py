"""The table of RunPod's REST v2: which path and method is served by what."""

from aiohttp import web
from aiohttp.typedefs import Handler

from infra.localcloud.runpod.rest.access import guarded
from infra.localcloud.runpod.rest.billing import BillingHandlers
from infra.localcloud.runpod.rest.catalog import CatalogHandlers
from infra.localcloud.runpod.rest.clusters import ClusterHandlers
from infra.localcloud.runpod.rest.delegations import DelegationHandlers
from infra.localcloud.runpod.rest.endpoints import EndpointHandlers
from infra.localcloud.runpod.rest.faults import FaultHandlers
from infra.localcloud.runpod.rest.logs import LogHandlers
from infra.localcloud.runpod.rest.pods import PodHandlers
from infra.localcloud.runpod.rest.problems import method_not_allowed, not_found
from infra.localcloud.runpod.rest.publictemplates import list_public
from infra.localcloud.runpod.rest.registries import RegistryHandlers
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.sshkeys import SshKeyHandlers
from infra.localcloud.runpod.rest.templates import TemplateHandlers
from infra.localcloud.runpod.rest.v1 import v1_routes
from infra.localcloud.runpod.rest.volumes import VolumeHandlers

# Collections of REST v2. Job routes are /v2/{endpoint id}/…, so no endpoint may have one of these as its id.
COLLECTIONS = (
    *("account", "pods", "clusters", "serverless", "templates"),
    *("network-volumes", "registries", "catalog", "billing"),
)


def routes(service: RestService) -> list[web.RouteDef]:
    """Everything under the collections of /v2, what is left of /v1, and /_local/faults. Mount them before the job API's `/v2/{id}/…`."""
    limited = [(path, _by_method(methods)) for path, methods in _served(service).items()]
    limited.append((f"/v2/{{collection:{'|'.join(COLLECTIONS)}}}{{rest:(/.*)?}}", _unknown))
    faults = FaultHandlers(service.faults)
    limited_routes = [
        web.route("*", path, guarded(handler, service.api_key, service.limiter)) for path, handler in limited
    ]
    storm_proof = _by_method({"GET": faults.list, "POST": faults.replace})
    return [
        *limited_routes,
        *v1_routes(service),
        web.route("*", "/_local/faults", guarded(storm_proof, service.api_key, None)),
    ]


def _served(service: RestService) -> dict[str, dict[str, Handler]]:
    endpoints, logs = EndpointHandlers(service), LogHandlers(service)
    catalog, billing = CatalogHandlers(service), BillingHandlers(service)
    templates, volumes = TemplateHandlers(service), VolumeHandlers(service)
    registries, delegations = RegistryHandlers(service), DelegationHandlers(service)
    pods, clusters, keys = PodHandlers(service), ClusterHandlers(service), SshKeyHandlers(service.ssh_keys)
    return {
        "/v2/account/ssh-keys": {"GET": keys.get, "PUT": keys.replace},
        "/v2/pods": {"GET": pods.list, "POST": pods.create},
        "/v2/pods/{id}": {"GET": pods.get, "PATCH": pods.update, "DELETE": pods.delete},
        "/v2/pods/{id}/action": {"POST": pods.act},
        "/v2/pods/{id}/logs": {"GET": logs.pod},
        "/v2/clusters": {"GET": clusters.list, "POST": clusters.create},
        "/v2/clusters/{id}": {"GET": clusters.get, "PATCH": clusters.rename, "DELETE": clusters.delete},
        "/v2/clusters/{id}/pods": {"GET": clusters.pods},
        "/v2/serverless": {"GET": endpoints.list, "POST": endpoints.create},
        "/v2/serverless/{id}": {"GET": endpoints.get, "PATCH": endpoints.update, "DELETE": endpoints.delete},
        "/v2/serverless/{id}/workers": {"GET": endpoints.workers},
        "/v2/serverless/{id}/releases": {"GET": endpoints.releases},
        "/v2/serverless/{id}/workers/{workerId}/logs": {"GET": logs.worker},
        "/v2/templates": {"GET": templates.list, "POST": templates.create},
        "/v2/templates/{id}": {"GET": templates.get, "PATCH": templates.update, "DELETE": templates.delete},
        "/v2/network-volumes": {"GET": volumes.list, "POST": volumes.create},
        "/v2/network-volumes/{id}": {"GET": volumes.get, "PATCH": volumes.update, "DELETE": volumes.delete},
        "/v2/registries": {"GET": registries.list, "POST": registries.create},
        "/v2/registries/delegations": {"GET": delegations.list, "POST": delegations.create},
        "/v2/registries/delegations/{id}": {"DELETE": delegations.delete},
        "/v2/registries/{id}": {"GET": registries.get, "DELETE": registries.delete},
        "/v2/catalog/gpus": {"GET": catalog.gpus},
        "/v2/catalog/gpus/{id}": {"GET": catalog.gpu},
        "/v2/catalog/cpus": {"GET": catalog.cpus},
        "/v2/catalog/cpus/{id}": {"GET": catalog.cpu},
        "/v2/catalog/datacenters": {"GET": catalog.data_centers},
        "/v2/catalog/datacenters/{id}": {"GET": catalog.data_center},
        "/v2/catalog/templates": {"GET": list_public},
        "/v2/billing": {"GET": billing.everything},
        "/v2/billing/pods": {"GET": billing.pods},
        "/v2/billing/endpoints": {"GET": billing.endpoints},
        "/v2/billing/network-volumes": {"GET": billing.volumes},
        "/v2/billing/clusters": {"GET": billing.clusters},
        "/v2/billing/serverless": {"GET": billing.serverless},
    }


def _by_method(methods: dict[str, Handler]) -> Handler:
    async def dispatch(request: web.Request) -> web.StreamResponse:
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise method_not_allowed(list(methods))
        return await handler(request)

    return dispatch


async def _unknown(request: web.Request) -> web.StreamResponse:
    raise not_found("resource")
