"""/v2/network-volumes: storage that stays, in one data center."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.model import Volumes
from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.rows import Rows
from infra.localcloud.runpod.rest.schema import Rule, choice, closed, integer, text

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService

_FIELDS: dict[str, Rule] = {"name": text(min_length=1), "size": integer(10, 4096)}
CREATE = closed(
    _FIELDS | {"dataCenter": text(min_length=1), "type": choice("STANDARD", "HIGH_PERFORMANCE")},
    required=["name", "size", "dataCenter"],
)
UPDATE = closed(_FIELDS, min_properties=1)


class NetworkVolumes:
    """The volumes' rows; their files are with `files`. A delete is refused while an endpoint or a pod has the volume:
    RunPod's description is silent on it, and losing a mounted disk is not a thing to rehearse."""

    def __init__(self, service: "RestService", files: Volumes | None) -> None:
        self._service = service
        self._files = files
        self.rows = Rows(service.store, "network_volumes", "network volume")

    def restore(self) -> None:
        for volume in self.rows.all():
            self._make_files(volume["id"])

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        self._check_place(body["dataCenter"], body.get("type", "STANDARD"))
        volume = self.rows.add(
            {
                "name": body["name"],
                "size": int(body["size"]),
                "dataCenter": body["dataCenter"],
                "type": body.get("type", "STANDARD"),
                "createdAt": self._service.clock.now(),
            }
        )
        self._make_files(volume["id"])
        self._service.ledger.open("volume", volume["id"], self._rates(volume))
        return volume

    def update(self, volume_id: str, body: dict[str, Any]) -> dict[str, Any]:
        old = self.rows.get(volume_id)
        new = old | body | {"size": int(body.get("size", old["size"]))}
        if new["size"] < old["size"]:
            raise bad_request(
                f"size cannot be reduced: network volume has {old['size']} GB, got {new['size']} GB"
            )
        self.rows.save(new)
        if new["size"] != old["size"]:
            self._service.ledger.open("volume", volume_id, self._rates(new))
        return new

    def delete(self, volume_id: str) -> None:
        self.rows.get(volume_id)
        user = self._user(volume_id)
        if user:
            raise bad_request(f"network volume is in use by {user} and cannot be deleted")
        self.rows.remove(volume_id)
        self._service.ledger.close("volume", volume_id)
        if self._files is not None:
            self._files.remove(volume_id)

    def check_endpoint(self, endpoint: dict[str, Any]) -> None:
        """Its volumes exist, lie in its data centers, and no two in the same one. Raises Problem 400."""
        seen: dict[str, str] = {}
        for volume_id in endpoint["networkVolumes"]:
            place = self.required(volume_id, "networkVolumes")["dataCenter"]
            if endpoint["dataCenterIds"] and place not in endpoint["dataCenterIds"]:
                raise bad_request(
                    f"networkVolumes: network volume '{volume_id}' is in {place}, which is not among dataCenterIds"
                )
            if place in seen:
                raise bad_request(
                    f"networkVolumes: '{seen[place]}' and '{volume_id}' are both in {place}; "
                    "one network volume per data center"
                )
            seen[place] = volume_id

    def required(self, volume_id: str, field: str) -> dict[str, Any]:
        """Raises Problem 400 that names the field."""
        volume = self.rows.find(volume_id)
        if volume is None:
            raise bad_request(f"{field}: network volume '{volume_id}' does not exist")
        return volume

    def _check_place(self, data_center: str, kind: str) -> None:
        offered = self._service.offers.volume_types
        if kind not in offered.get(data_center, ()):
            valid = ", ".join(place for place, kinds in offered.items() if kind in kinds) or "none"
            raise bad_request(
                f"data center '{data_center}' does not support {kind} network volumes; "
                f"valid data centers are {valid}"
            )

    def _rates(self, volume: dict[str, Any]) -> dict[str, Decimal]:
        return self._service.offers.volume_rates(volume["size"], volume["type"])

    def _make_files(self, volume_id: str) -> None:
        if self._files is None:
            return
        try:
            self._files.path(volume_id)
        except KeyError:
            self._files.create(volume_id)

    def _user(self, volume_id: str) -> str:
        for endpoint in self._service.store.endpoints():
            if volume_id in endpoint["networkVolumes"]:
                return f"serverless endpoint '{endpoint['id']}'"
        for pod in self._service.pods.rows.all():
            if any(mount["volumeId"] == volume_id for mount in pod["mounts"].get("network", ())):
                return f"pod '{pod['id']}'"
        return ""


class VolumeHandlers:
    def __init__(self, service: "RestService") -> None:
        self._volumes = service.volumes

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"networkVolumes": [volume_view(row) for row in self._volumes.rows.all()]})

    async def create(self, request: web.Request) -> web.Response:
        volume = self._volumes.create(await read_request(request, CREATE))
        return web.json_response(volume_view(volume), status=201)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(volume_view(self._volumes.rows.get(request.match_info["id"])))

    async def update(self, request: web.Request) -> web.Response:
        self._volumes.rows.get(request.match_info["id"])
        body = await read_request(request, UPDATE)
        return web.json_response(volume_view(self._volumes.update(request.match_info["id"], body)))

    async def delete(self, request: web.Request) -> web.Response:
        self._volumes.delete(request.match_info["id"])
        return web.Response(status=204)


def volume_view(volume: dict[str, Any]) -> dict[str, Any]:
    return {name: volume[name] for name in ("id", "name", "size", "dataCenter", "type")}
