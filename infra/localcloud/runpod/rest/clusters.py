"""/v2/clusters: pods of one shape that start together. Their network here is this machine's loopback."""

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.rest.container import BASE_CONTAINER
from infra.localcloud.runpod.rest.podrules import MOUNTS
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.rows import Rows
from infra.localcloud.runpod.rest.schema import Rule, array, boolean, choice, closed, integer, text
from infra.localcloud.runpod.rest.times import timestamp

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService

_COMPUTE = closed(
    {"gpuTypeId": text(min_length=1), "gpuCountPerPod": integer(1), "podCount": integer(2, 250)},
    required=["gpuTypeId", "gpuCountPerPod", "podCount"],
)
_FIELDS: dict[str, Rule] = BASE_CONTAINER | {
    "name": text(min_length=1),
    "type": choice("APPLICATION", "TRAINING", "SLURM", "RAY"),
    "compute": _COMPUTE,
    "dataCenterIds": array(text()),
    "mounts": MOUNTS,
    "startJupyter": boolean(),
    "startSsh": boolean(),
}
CREATE = closed(_FIELDS, required=["name", "type", "compute"])
UPDATE = closed({"name": text(min_length=1)}, min_properties=1)
_ROLES = {"SLURM": ("SLURM_CONTROLLER", "SLURM_COMPUTE"), "RAY": ("RAY_HEAD", "RAY_WORKER")}


class Clusters:
    def __init__(self, service: "RestService") -> None:
        self._service = service
        self.rows = Rows(service.store, "clusters", "cluster", id_length=14)
        # A delete waits until its cluster is all there, or its last members would be left without one.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def members(self, cluster_id: str) -> list[dict[str, Any]]:
        """By rank."""
        pods = [pod for pod in self._service.pods.rows.all() if "cluster" in pod]
        members = [pod for pod in pods if pod["cluster"]["id"] == cluster_id]
        return sorted(members, key=lambda pod: pod["cluster"]["rank"])

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        service, compute = self._service, {**body["compute"]}
        count, gpus = int(compute["podCount"]), int(compute["gpuCountPerPod"])
        shape = {name: value for name, value in body.items() if name not in ("type", "compute")}
        shape |= {"image": body.get("image", ""), "gpu": {"id": compute["gpuTypeId"], "count": gpus}}
        # All members land in one data center; what is wrong with one is wrong with all, so it shows here.
        shape["dataCenterIds"] = [service.pods.planned(shape)["dataCenterId"]]
        cluster = self.rows.add(
            {
                "name": body["name"],
                "type": body["type"],
                "compute": compute | {"podCount": count, "gpuCountPerPod": gpus},
                "createdAt": service.clock.now(),
            }
        )
        async with self._locks[cluster["id"]]:
            try:
                for rank in range(count):
                    env = _environment(rank, count, gpus) | body.get("env", {})
                    member = shape | {"name": f"{body['name']}-{rank}", "env": env}
                    await service.pods.create(member, cluster=_membership(cluster, rank))
            except BaseException:
                await self._delete(cluster["id"])
                raise
            one = service.pods.rates(self.members(cluster["id"])[0])
            service.ledger.open("cluster", cluster["id"], {name: rate * count for name, rate in one.items()})
        return cluster

    def rename(self, cluster_id: str, body: dict[str, Any]) -> dict[str, Any]:
        cluster = self.rows.get(cluster_id) | body
        self.rows.save(cluster)
        return cluster

    async def delete(self, cluster_id: str) -> None:
        self.rows.get(cluster_id)
        async with self._locks[cluster_id]:
            self.rows.get(cluster_id)
            await self._delete(cluster_id)
        self._locks.pop(cluster_id, None)

    async def _delete(self, cluster_id: str) -> None:
        for pod in self.members(cluster_id):
            await self._service.pods.delete_member(pod["id"])
        self.rows.remove(cluster_id)
        self._service.ledger.close("cluster", cluster_id)


class ClusterHandlers:
    def __init__(self, service: "RestService") -> None:
        self._service = service
        self._clusters = service.clusters

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"clusters": [self._view(row) for row in self._clusters.rows.all()]})

    async def create(self, request: web.Request) -> web.Response:
        cluster = await self._clusters.create(await read_request(request, CREATE))
        return web.json_response(self._view(cluster), status=201)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self._view(self._clusters.rows.get(request.match_info["id"])))

    async def rename(self, request: web.Request) -> web.Response:
        cluster_id = self._clusters.rows.get(request.match_info["id"])["id"]
        return web.json_response(
            self._view(self._clusters.rename(cluster_id, await read_request(request, UPDATE)))
        )

    async def delete(self, request: web.Request) -> web.Response:
        await self._clusters.delete(request.match_info["id"])
        return web.Response(status=204)

    async def pods(self, request: web.Request) -> web.Response:
        from infra.localcloud.runpod.rest.pods import view_of

        cluster = self._clusters.rows.get(request.match_info["id"])
        members = self._clusters.members(cluster["id"])
        return web.json_response({"pods": [view_of(self._service, pod) for pod in members]})

    def _view(self, cluster: dict[str, Any]) -> dict[str, Any]:
        members = self._clusters.members(cluster["id"])
        statuses = [self._service.pods.view(pod).status.value for pod in members]
        view = {name: cluster[name] for name in ("id", "name", "type", "compute")} | {
            "pods": {"total": len(members), "byStatus": dict(Counter(statuses))},
            "createdAt": timestamp(cluster["createdAt"]),
        }
        if members:
            view["dataCenterId"] = members[0]["dataCenterId"]
            view["primary"] = {"podId": members[0]["id"], "status": statuses[0]}
        return view


def _membership(cluster: dict[str, Any], rank: int) -> dict[str, Any]:
    roles = _ROLES.get(cluster["type"])
    role = {"role": roles[min(rank, 1)]} if roles else {}
    return {"id": cluster["id"], "rank": rank, "ip": "127.0.0.1"} | role


def _environment(rank: int, nodes: int, gpus: int) -> dict[str, str]:
    """What docs.runpod.io says that members find in their environment (Instant Clusters, 2026-08)."""
    return {
        "PRIMARY_ADDR": "127.0.0.1",
        "MASTER_ADDR": "127.0.0.1",
        "PRIMARY_PORT": "29400",
        "MASTER_PORT": "29400",
        "NODE_ADDR": "127.0.0.1",
        "NODE_RANK": str(rank),
        "NUM_NODES": str(nodes),
        "NUM_TRAINERS": str(gpus),
        "WORLD_SIZE": str(nodes * gpus),
    }
