"""The account's pods, kept in the store and applied to what runs them."""

import asyncio
import logging
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from infra.localcloud.core.faults import FaultKind
from infra.localcloud.runpod.model import Pods, PodStatus, PodView
from infra.localcloud.runpod.rest.container import CONTAINER, container_of, defaults
from infra.localcloud.runpod.rest.merging import check_data_centers, derived_cpu
from infra.localcloud.runpod.rest.podrules import changed_mounts, gpu_of, new_mounts
from infra.localcloud.runpod.rest.podviews import actions, pod_record
from infra.localcloud.runpod.rest.problems import Problem, bad_request
from infra.localcloud.runpod.rest.rows import Rows
from infra.localcloud.runpod.rest.stock import NO_CAPACITY

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService

_log = logging.getLogger(__name__)
_RESTARTS = (*CONTAINER, "mounts")


class PodBook:
    """Bodies come validated by `podrules`; refusals are raised as `Problem`."""

    def __init__(self, service: "RestService", host: Pods | None) -> None:
        self._service = service
        self._host = host
        self.rows = Rows(service.store, "pods", "pod", id_length=14)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def host(self) -> Pods:
        if self._host is None:
            raise Problem(501, "this local cloud runs no pods")
        return self._host

    async def restore(self) -> None:
        """After a restart: hand every pod to what runs them. One that fails does not keep the others down."""
        for pod in self.rows.all():
            try:
                await self.host.apply(pod_record(pod))
            except Exception:
                _log.exception("pod %s could not be restored", pod["id"])

    def ended(self, pod_id: str) -> None:
        """Its container ended by itself, for good: it costs nothing from now on."""
        self._service.ledger.close("pod", pod_id)

    def view(self, pod: dict[str, Any]) -> PodView:
        try:
            return self.host.view(pod["id"])
        except KeyError:
            return PodView(PodStatus.PROVISIONING if pod["running"] else PodStatus.EXITED)

    async def create(self, body: dict[str, Any], *, cluster: dict[str, Any] | None = None) -> dict[str, Any]:
        """`cluster`: the membership of a pod that belongs to one."""
        pod = self.planned(self._with_template(body))
        host = self.host
        pod = self.rows.add(pod | ({"cluster": cluster} if cluster else {}))
        async with self._locks[pod["id"]]:
            try:
                await host.apply(pod_record(pod))
            except BaseException:
                self.rows.remove(pod["id"])
                await host.remove(pod["id"])
                raise
            self._bill(pod)
        return pod

    async def update(self, pod_id: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._lock(pod_id):
            old = self.rows.get(pod_id)
            self._refuse_member(old, "modified")
            body = self._service.templates.applied(body, serverless=False)
            self._service.registries.check(body)
            new = old | container_of(old, body)
            new |= {name: body[name] for name in ("name", "locked", "globalNetworking") if name in body}
            if body.get("globalNetworking"):
                self._check_global_network(old, [old["dataCenterId"]])
            if "mounts" in body:
                new["mounts"] = changed_mounts(old["mounts"], body["mounts"])
            if new == old:
                return old
            if any(new[name] != old[name] for name in _RESTARTS):
                new["version"] = old["version"] + 1
            self.rows.save(new)
            await self.host.apply(pod_record(new))
            if new["running"] and new["version"] != old["version"]:
                self._bill(new)
            return new

    async def act(self, pod_id: str, action: str) -> dict[str, Any] | None:
        """start, stop, restart or terminate; None when it is gone after it. Raises Problem 404, 409."""
        async with self._lock(pod_id):
            pod = self.rows.get(pod_id)
            self._refuse_member(pod, "terminated" if action == "terminate" else "modified")
            status = self.view(pod).status
            if action not in actions(status):
                raise Problem(409, f"action '{action}' is not valid for a pod that is {status.value}")
            if pod["locked"] and action in ("stop", "restart"):
                raise Problem(409, f"pod is locked: it cannot be {_PAST[action]} until it is unlocked")
            if action == "terminate":
                await self._remove(pod)
                return None
            if action == "restart":
                await self.host.restart(pod_id)
                return pod
            return await self._turn(pod, running=action == "start")

    async def delete(self, pod_id: str) -> None:
        async with self._lock(pod_id):
            pod = self.rows.get(pod_id)
            self._refuse_member(pod, "terminated")
            await self._remove(pod)

    async def delete_member(self, pod_id: str) -> None:
        pod = self.rows.find(pod_id)
        if pod is not None:
            await self._remove(pod)

    def planned(self, body: dict[str, Any]) -> dict[str, Any]:
        """The pod that a validated body, its template already in it, would make, without an id."""
        service = self._service
        if ("gpu" in body) == ("cpu" in body):
            raise bad_request("exactly one of gpu or cpu must be specified")
        compute = (
            {"gpu": gpu_of(body, service.offers)}
            if "gpu" in body
            else {"cpu": derived_cpu(body["cpu"], service.offers)}
        )
        service.registries.check(body)
        mounts = new_mounts(body)
        return {
            "name": body["name"],
            **container_of(defaults(), body),
            **compute,
            "mounts": mounts,
            "cloud": body.get("cloud", "SECURE"),
            "dataCenterId": self._place(body, mounts),
            "template": None,
            "locked": False,
            "globalNetworking": body.get("globalNetworking", False),
            "injected": self._injected(body),
            "running": True,
            "version": 1,
            "createdAt": service.clock.now(),
        }

    async def _turn(self, pod: dict[str, Any], *, running: bool) -> dict[str, Any]:
        new = pod | {"running": running}
        if running and not pod["running"]:
            self._check_capacity(_type_of(pod), [pod["dataCenterId"]])
        self.rows.save(new)
        if running and pod["running"]:
            await self.host.restart(pod["id"])  # it ended by itself
        else:
            await self.host.apply(pod_record(new))
        if running:
            self._bill(new)
        else:
            self._service.ledger.close("pod", pod["id"])
        return new

    async def _remove(self, pod: dict[str, Any]) -> None:
        await self.host.remove(pod["id"])
        self.rows.remove(pod["id"])
        self._service.ledger.close("pod", pod["id"])
        self._locks.pop(pod["id"], None)

    def _with_template(self, body: dict[str, Any]) -> dict[str, Any]:
        if "templateId" not in body:
            return body
        template = self._service.templates.get_for(body["templateId"], serverless=False)
        body = self._service.templates.applied(body, serverless=False)
        given = {"startSsh": template["startSsh"], "startJupyter": template["startJupyter"]}
        if "cpu" not in body and template["mounts"]:
            given["mounts"] = template["mounts"]
        return given | body

    def _place(self, body: dict[str, Any], mounts: dict[str, Any]) -> str:
        wanted = body.get("dataCenterIds") or list(self._service.offers.data_centers)
        check_data_centers(wanted, self._service.offers)
        if mounts.get("network"):
            volume = self._service.volumes.required(mounts["network"][0]["volumeId"], "mounts.network")
            if volume["dataCenter"] not in wanted:
                raise bad_request(
                    f"mounts.network: network volume '{volume['id']}' is in {volume['dataCenter']}, "
                    "which is not among dataCenterIds"
                )
            wanted = [volume["dataCenter"]]
        if body.get("globalNetworking"):
            wanted = self._check_global_network(body, wanted)
        if body.get("cloud") == "COMMUNITY":
            raise bad_request(NO_CAPACITY)
        return self._check_capacity(_type_of(body), wanted)

    def _check_capacity(self, type_id: str, places: list[str]) -> str:
        place = self._service.stock.place(type_id, places)
        struck = self._service.faults.take([FaultKind.STOCK_OUT], "POST", "/v2/pods")
        if place is None or struck:
            raise bad_request(NO_CAPACITY)
        return place

    def _check_global_network(self, pod: dict[str, Any], places: list[str]) -> list[str]:
        """Those of the data centers that have one. Raises Problem 400."""
        if "gpu" not in pod or pod["gpu"]["id"].startswith("AMD"):
            raise bad_request("globalNetworking: an NVIDIA GPU is required")
        found = [place for place in places if place in self._service.offers.global_networks]
        if not found:
            known = ", ".join(self._service.offers.global_networks)
            raise bad_request(f"globalNetworking: only offered in {known}")
        return found

    def _injected(self, body: dict[str, Any]) -> dict[str, str]:
        """What the provisioner puts into the environment besides the user's own."""
        injected = {}
        keys = self._service.ssh_keys.keys()
        if body.get("startSsh") and keys:
            injected["PUBLIC_KEY"] = "\n".join(keys)
        if body.get("startJupyter"):
            injected["JUPYTER_PASSWORD"] = secrets.token_hex(16)
        return injected

    def _bill(self, pod: dict[str, Any]) -> None:
        """Members of a cluster are on the cluster's bill."""
        if "cluster" not in pod:
            self._service.ledger.open("pod", pod["id"], self.rates(pod))

    def rates(self, pod: dict[str, Any]) -> dict[str, Any]:
        gpu, cpu = pod.get("gpu"), pod.get("cpu", {})
        return self._service.offers.pod_rates(
            gpu and gpu["id"], gpu["count"] if gpu else 0, cpu.get("vcpuCount", 0), pod["disk"]
        )

    def _refuse_member(self, pod: dict[str, Any], done: str) -> None:
        if "cluster" in pod:
            raise Problem(409, f"Pod belongs to a cluster and cannot be {done} via the pod endpoints.")

    def _lock(self, pod_id: str) -> asyncio.Lock:
        self.rows.get(pod_id)
        return self._locks[pod_id]


_PAST = {"stop": "stopped", "restart": "restarted"}


def _type_of(pod: dict[str, Any]) -> str:
    return str(pod["gpu"]["id"] if "gpu" in pod else pod["cpu"]["id"])
