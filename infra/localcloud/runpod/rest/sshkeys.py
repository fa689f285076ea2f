"""/v2/account/ssh-keys: the public keys that pods made with `startSsh` get."""

from aiohttp import web

from infra.localcloud.core.store import Store
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.schema import array, closed, text

_KEY = r"^(ssh|ecdsa|sk)-[^\s]+ [^\s]+([ \t][^\n\r]*)?$"
UPDATE = closed({"keys": array(text(pattern=_KEY))}, required=["keys"])


class SshKeys:
    def __init__(self, store: Store) -> None:
        self._kv = store.kv("runpod.account")

    def keys(self) -> list[str]:
        return list(self._kv.get("ssh_keys", []))

    def replace(self, keys: list[str]) -> None:
        self._kv.put("ssh_keys", keys)


class SshKeyHandlers:
    def __init__(self, keys: SshKeys) -> None:
        self._keys = keys

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": self._keys.keys()})

    async def replace(self, request: web.Request) -> web.Response:
        self._keys.replace((await read_request(request, UPDATE))["keys"])
        return await self.get(request)
