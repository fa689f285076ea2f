"""Requests that no client would send, made from those that some do: seeded, so that a failure comes again."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

BODIES: dict[str, dict[str, Any]] = {
    "serverless": {
        "name": "e",
        "type": "QUEUE",
        "image": "img:1",
        "gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"], "count": 1},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "workers": {"min": 0, "max": 3, "idleTimeout": 5},
        "env": {"A": "1"},
        "dataCenterIds": ["EU-RO-1"],
        "networkVolumes": [],
        "ports": ["80/http"],
        "timeout": 1000,
    },
    "pods": {
        "name": "p",
        "image": "img:1",
        "gpu": {"id": "NVIDIA L4", "count": 1},
        "mounts": {"persistent": {"size": 10, "path": "/w"}},
        "ports": ["22/tcp"],
        "startSsh": True,
    },
    "templates": {"name": "t", "image": "img:1", "serverless": True, "mounts": {}, "env": {"A": "1"}},
    "network-volumes": {"name": "v", "size": 10, "dataCenter": "EU-RO-1"},
    "registries": {"name": "r", "username": "u", "password": "p"},
    "clusters": {
        "name": "c",
        "type": "RAY",
        "image": "img:1",
        "compute": {"gpuTypeId": "NVIDIA L4", "gpuCountPerPod": 1, "podCount": 2},
    },
}
OTHERS: list[tuple[str, str, Any]] = [
    ("GET", "/v2/account/ssh-keys", None),
    ("PUT", "/v2/account/ssh-keys", {"keys": ["ssh-ed25519 AAAA me"]}),
    ("POST", "/v2/registries/delegations", {"resource": "arn:aws:ecr:eu-west-1:123456789012:repository/m"}),
    ("GET", "/v2/catalog/gpus?include=AVAILABILITY&product=POD&countryCodes=RO&count=2", None),
    ("GET", "/v2/catalog/cpus?include=AVAILABILITY&product=SERVERLESS&vcpuCount=4", None),
    ("GET", "/v2/catalog/datacenters?include=GPU_AVAILABILITY&regions=EUROPE&globalNetwork=false", None),
    ("GET", "/v2/catalog/templates?source=community", None),
    ("GET", "/v2/billing?bucketSize=hour&lastN=5", None),
    ("GET", "/v2/billing/pods?startTime=2026-01-01T00:00:00Z&endTime=2027-01-01T00:00:00Z&podId=x", None),
    ("GET", "/v2/billing/serverless?bucketSize=year&lastN=2&serverlessId=x", None),
    ("GET", "/v2/billing/network-volumes", None),
    ("GET", "/v1/pods", None),
    ("GET", "/_local/faults", None),
]
QUERIES = (
    "{ myself { id pubKey clientBalance pods { id env runtime { ports { ip } } } secrets { id name } } }",
    '{ myself { endpoint(id: "x") { id env { key value } template { id name } networkVolume { id } } } }',
    '{ gpuTypes(input: {id: "NVIDIA L4"}) { id lowestPrice(input: {gpuCount: 2}) { stockStatus } } }',
    '{ cpuFlavors { id specifics(input: {instanceId: "cpu5c-4-8", dataCenterId: "EU-RO-1"}) { securePrice } } }',
    '{ pod(input: {podId: "x"}) { id desiredStatus machine { podHostId } } podTemplate(id: "x") { id } }',
    'mutation { saveTemplate(input: {name: "q", imageName: "i", containerDiskInGb: 5, dockerArgs: "", env: [],'
    " volumeInGb: 0, isServerless: true}) { id name } }",
    'mutation { saveEndpoint(input: {name: "q", gpuIds: "ADA_24,-x", templateId: "x", scalerValue: 4,'
    ' locations: "EU-RO-1", workersMax: 3, flashBootType: FLASHBOOT}) { id gpuIds } }',
    'mutation { podFindAndDeployOnDemand(input: {name: "q", imageName: "i", gpuTypeId: "NVIDIA L4", gpuCount: 1,'
    ' volumeInGb: 5, ports: "22/tcp", env: [{key: "A", value: "1"}]}) { id } }',
    'mutation { deployCpuPod(input: {name: "q", imageName: "i", instanceId: "cpu5c-4-8"}) { id } }',
    'mutation { podStop(input: {podId: "x"}) { id } podTerminate(input: {podId: "x"}) }',
    'mutation { secretCreate(input: {name: "s", value: "v", description: ""}) { id } }',
    'mutation { createNetworkVolume(input: {name: "v", size: 10, dataCenterId: "EU-RO-1"}) { id } }',
    'mutation { updateUserSettings(input: {pubKey: "ssh-ed25519 AAAA me"}) { pubKey } }',
    'mutation { createFlashApp(input: {name: "f"}) { id } deleteEndpoint(id: "x") deleteTemplate(templateName: "q") }',
)
WITH_VARIABLES: dict[str, dict[str, Any]] = {
    "mutation ($input: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $input) { id env } }": {
        "name": "q",
        "imageName": "i",
        "gpuTypeId": "NVIDIA L4",
        "gpuCount": 1,
        "cloudType": "ALL",
        "countryCode": "RO",
        "env": [{"key": "A", "value": "1"}],
        "ports": "22/tcp",
        "allowedCudaVersions": ["12.8"],
    },
    "mutation ($input: EndpointInput!) { saveEndpoint(input: $input) { id gpuIds template { id } } }": {
        "name": "q",
        "gpuIds": "ADA_24",
        "template": {"name": "q", "imageName": "i"},
        "flashBootType": "OFF",
        "instanceIds": [],
        "scalerValue": 4,
        "allowedCudaVersions": "12.8",
        "networkVolumeIds": [],
    },
    "mutation ($input: SaveTemplateInput) { saveTemplate(input: $input) { id env { key } } }": {
        "name": "q",
        "imageName": "i",
        "containerDiskInGb": 5,
        "dockerArgs": "",
        "env": [],
        "volumeInGb": 0,
        "config": {"a": [1]},
    },
    "mutation ($input: SecretCreateInput!) { secretCreate(input: $input) { id name } }": {
        "name": "s",
        "value": "v",
        "description": "",
    },
    "mutation ($input: DeployCpuPodInput!) { deployCpuPod(input: $input) { id } }": {
        "name": "q",
        "imageName": "i",
        "instanceId": "cpu5c-4-8",
    },
    "query ($input: GpuTypeFilter) { gpuTypes(input: $input) { id } }": {"ids": ["NVIDIA L4"]},
}
VALUES: list[Any] = [
    *(None, True, 0, 1, -1, 0.5, 1e308, 2**63, 10**40, "", "x", "EU-RO-1", "NVIDIA L4", "12.8", "QUEUE"),
    *([], {}, ["x"], [None], [[]], {"x": None}, {"persistent": {}}, {"network": [{}]}, [{"id": "cpu5c", "vcpuCount": 4}]),
    *("\x00", "\ud83d\ude00", "a" * 5000, "../../etc/passwd", "{{ RUNPOD_SECRET_s }}", "%s%n", "'; DROP TABLE kv; --"),
]  # fmt: skip
NAMES = (
    "name",
    "type",
    "gpu",
    "cpu",
    "scaling",
    "image",
    "env",
    "mounts",
    "size",
    "id",
    "compute",
    "x",
    "__proto__",
)
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE")
TAILS = (
    "",
    "/workers",
    "/releases",
    "/logs?tail=5",
    "/action",
    "/pods",
    "/workers/w/logs",
    "/nothing",
    "//",
    "/..",
)


@dataclass
class Asked:
    method: str
    path: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


class Fuzzer:
    """`ids`: what exists, by collection; the requests name it, and so grow and break it."""

    def __init__(self, seed: int, key: str) -> None:
        self.rng = random.Random(seed)
        self.ids: dict[str, list[str]] = {name: ["none"] for name in BODIES}
        self._key = key

    def request(self) -> Asked:
        kind = self.rng.random()
        if kind < 0.25:
            asked = self._graphql()
        elif kind < 0.4:
            method, path, body = self.rng.choice(OTHERS)
            asked = Asked(method, self._bent(path), _json(self._mutated(body)) if body else None)
        else:
            asked = self._resource()
        return self._disguised(asked)

    def _resource(self) -> Asked:
        collection = self.rng.choice(list(BODIES))
        body = BODIES[collection] | {"name": f"n{self.rng.randrange(10**9)}"}
        if self.rng.random() < 0.35:
            return Asked("POST", f"/v2/{collection}", _json(self._mutated(body)))
        id = self.rng.choice(
            self.ids[self.rng.choice(list(BODIES)) if self.rng.random() < 0.1 else collection]
        )
        path = f"/v2/{collection}/{id}"
        if self.rng.random() < 0.4:
            return Asked(self.rng.choice(METHODS), path + self.rng.choice(TAILS), self._small(body))
        if self.rng.random() < 0.2:
            action = self.rng.choice(("start", "stop", "restart", "terminate", "x"))
            return Asked("POST", f"{path}/action", _json({"action": action}))
        return Asked(self.rng.choice(("GET", "GET", "PATCH", "PATCH", "DELETE")), path, self._small(body))

    def _small(self, body: dict[str, Any]) -> bytes:
        """A patch: a few of the fields."""
        names = self.rng.sample(list(body), k=self.rng.randint(0, 2))
        return _json(self._mutated({name: body[name] for name in names}) if names else {})

    def _graphql(self) -> Asked:
        if self.rng.random() < 0.4:
            query, input = self.rng.choice(list(WITH_VARIABLES.items()))
            named = input | ({"name": f"n{self.rng.randrange(10**9)}"} if "name" in input else {})
            return Asked(
                "POST", "/graphql", _json({"query": query, "variables": {"input": self._mutated(named)}})
            )
        query = self.rng.choice(QUERIES)
        id = self.rng.choice(self.ids[self.rng.choice(list(BODIES))])
        query = query.replace('"x"', json.dumps(id)) if self.rng.random() < 0.5 else query
        if self.rng.random() < 0.5:
            at = self.rng.randrange(len(query))
            insert = self.rng.choice(
                ("", "{", "}", '"', "null", "-1", "1e999", " ...on User {id} ", "$x", "\x00", "é")
            )
            query = query[:at] + insert + query[at + self.rng.randint(0, 6) :]
        body: Any = {"query": query, "variables": self.rng.choice((None, {}, {"x": 1}, {"input": {}}))}
        return Asked("POST", "/graphql", _json(self._mutated(body) if self.rng.random() < 0.1 else body))

    def _mutated(self, value: Any) -> Any:
        """`value` with at most one thing, somewhere in it, taken away, added or replaced."""
        if self.rng.random() < 0.25:
            return value
        if isinstance(value, dict) and value and self.rng.random() < 0.75:
            name = self.rng.choice(list(value))
            return value | {name: self._mutated(value[name])}
        if isinstance(value, dict) and self.rng.random() < 0.7:
            if value and self.rng.random() < 0.3:
                return {name: entry for name, entry in value.items() if name != next(iter(value))}
            return value | {self.rng.choice(NAMES): self.rng.choice(VALUES)}
        return self.rng.choice(VALUES)

    def _bent(self, path: str) -> str:
        if self.rng.random() < 0.6:
            return path
        at = self.rng.randrange(4, len(path) + 1)
        return (
            path[:at]
            + self.rng.choice(("%00", "%ff", "-1", "&x=1", "?", ",", "9" * 30, "%2F..", "é"))
            + path[at:]
        )

    def _disguised(self, asked: Asked) -> Asked:
        chance = self.rng.random()
        asked.headers = {"Authorization": f"Bearer {self._key}"}
        if chance < 0.05:
            asked.headers = {
                "Authorization": self.rng.choice(("", "Bearer", "Bearer wrong", "Basic eDp5", "Bearer é"))
            }
        elif chance < 0.08 and asked.body:
            asked.body = asked.body[: self.rng.randrange(len(asked.body))]
        elif chance < 0.1:
            asked.headers["Last-Event-ID"] = self.rng.choice(("x", "2026-01-01T00:00:00Z/zz", "9" * 50))
        return asked


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")
