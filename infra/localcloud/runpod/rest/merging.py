"""From a request body to a stored endpoint: defaults, partial updates, and the rules that no schema can say."""

from typing import Any

from infra.localcloud.runpod.rest.container import container_of, defaults
from infra.localcloud.runpod.rest.offers import Offers
from infra.localcloud.runpod.rest.problems import Problem, bad_request

# A change of one of these makes a release; the name is the one that RunPod's release diff uses.
CONTAINER_FIELDS = {
    "image": "template.imageName",
    "args": "template.dockerArgs",
    "disk": "template.containerDiskInGb",
    "ports": "template.ports",
    "env": "template.env",
    "registry": "template.containerRegistryAuthId",
}

# The description says that an omitted timeout is 300000; the server has been seen to store 0.
_OMITTED_TIMEOUT = 0
_PLAIN_FIELDS = ("name", "scaling", "dataCenterIds", "networkVolumes", "timeout", "flashboot")


def new_endpoint(body: dict[str, Any], offers: Offers) -> dict[str, Any]:
    """A validated create body, its template already in it, as the endpoint to store, without id, times and version.

    Raises Problem. What it refers to (registry, network volumes) is for the caller to check.
    """
    if ("gpu" in body) == ("cpu" in body):
        raise bad_request("exactly one of gpu or cpu must be specified")
    endpoint: dict[str, Any] = {
        "type": body["type"],
        **defaults(),
        "workers": {"min": 0, "max": 3, "idleTimeout": 10},
        "dataCenterIds": [],
        "networkVolumes": [],
        "timeout": _OMITTED_TIMEOUT,
        "flashboot": "OFF",
    }
    if "gpu" in body:
        endpoint["gpu"] = {"count": 1, "allowedCudaVersions": [], "minCudaVersion": None}
    else:
        endpoint["cpu"] = []
    return changed_endpoint(endpoint, body, offers)


def changed_endpoint(old: dict[str, Any], body: dict[str, Any], offers: Offers) -> dict[str, Any]:
    """The endpoint with a validated update body taken over. Raises Problem; `old` stays as it is."""
    _check_family(old, body)
    new = old | {name: body[name] for name in _PLAIN_FIELDS if name in body} | container_of(old, body)
    new["workers"] = old["workers"] | _whole_numbers(body.get("workers", {}))
    new["timeout"] = int(new["timeout"])
    if "requestCount" in new["scaling"]:
        new["scaling"] = new["scaling"] | {"requestCount": int(new["scaling"]["requestCount"])}
    if "gpu" in body:
        new["gpu"] = _gpu(old["gpu"], body["gpu"], offers)
    if "cpu" in body:
        new["cpu"] = [derived_cpu(entry, offers) for entry in body["cpu"]]
    _check(new, body, offers)
    return new


def idle_timeout_applies(endpoint: dict[str, Any]) -> bool:
    return not (endpoint["type"] == "QUEUE" and endpoint["scaling"]["type"] == "REQUEST_COUNT")


def derived_cpu(entry: dict[str, Any], offers: Offers) -> dict[str, Any]:
    """A CPU choice with the memory that comes with it. Raises Problem 400."""
    flavor = offers.cpus.get(entry["id"])
    vcpu = int(entry["vcpuCount"])
    if flavor is None:
        known = ", ".join(offers.cpus)
        raise bad_request(f"cpu: unknown CPU flavor '{entry['id']}'; valid flavors are {known}")
    if vcpu & (vcpu - 1):
        raise bad_request(f"cpu: vcpuCount {vcpu} is not a power of two")
    if not flavor.vcpu_min <= vcpu <= flavor.vcpu_max:
        raise bad_request(
            f"cpu: vcpuCount {vcpu} is not between {flavor.vcpu_min} and {flavor.vcpu_max} for '{flavor.id}'"
        )
    return {"id": flavor.id, "vcpuCount": vcpu, "memory": int(vcpu * flavor.ram_gib_per_vcpu)}


def check_data_centers(names: list[str], offers: Offers) -> None:
    for name in names:
        if name not in offers.data_centers:
            known = ", ".join(sorted(offers.data_centers))
            raise bad_request(f"dataCenterIds: unknown data center '{name}'; valid data centers are {known}")


def _check_family(old: dict[str, Any], body: dict[str, Any]) -> None:
    if "gpu" in body and "cpu" in body:
        raise bad_request("exactly one of gpu or cpu must be specified")
    for wanted, present in (("gpu", "cpu"), ("cpu", "gpu")):
        if wanted in body and present in old:
            raise bad_request(
                f"{wanted} cannot be set on a {present.upper()} endpoint: its compute family is immutable"
            )


def _gpu(old: dict[str, Any], body: dict[str, Any], offers: Offers) -> dict[str, Any]:
    new = old | body
    if "pools" in body:
        new["excludedTypes"] = _excluded(body["pools"], body.get("excludedTypes", []), offers)
    new["count"] = int(new["count"])
    new["minCudaVersion"] = new["minCudaVersion"] or None
    if new["allowedCudaVersions"] and new["minCudaVersion"]:
        raise bad_request("gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive")
    return new


def _excluded(pools: list[str], excluded: list[str], offers: Offers) -> list[str]:
    types: set[str] = set()
    for name in pools:
        if name not in offers.pools:
            known = ", ".join(offers.pools)
            raise bad_request(f"gpu.pools: unknown GPU pool '{name}'; valid pools are {known}")
        types.update(offers.pools[name])
    names = list(dict.fromkeys(name.strip() for name in excluded))
    for name in names:
        if name not in types:
            raise bad_request(f"gpu.excludedTypes: '{name}' is not a GPU type in the selected pools")
    if types == set(names):
        raise bad_request("gpu.excludedTypes: the selection leaves no GPU type")
    return names


def _check(new: dict[str, Any], body: dict[str, Any], offers: Offers) -> None:
    if new["type"] == "LOAD_BALANCER" and new["scaling"]["type"] != "REQUEST_COUNT":
        raise bad_request("load balancing endpoints only support REQUEST_COUNT scaling")
    if "idleTimeout" in body.get("workers", {}) and not idle_timeout_applies(new):
        raise Problem(422, "idleTimeout does not apply to queue-based endpoints scaling on requestCount")
    if new["workers"]["max"] < new["workers"]["min"]:
        raise bad_request(
            f"workers.max ({new['workers']['max']}) must not be less than workers.min ({new['workers']['min']})"
        )
    if new["timeout"] < 0:
        raise bad_request("timeout must not be negative")
    check_data_centers(body.get("dataCenterIds", []), offers)


def _whole_numbers(values: dict[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}
