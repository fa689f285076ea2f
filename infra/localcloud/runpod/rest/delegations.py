"""/v2/registries/delegations: ECR repositories that may be pulled from in the account's name."""

import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.reading import read_request
from infra.localcloud.runpod.rest.rows import Rows
from infra.localcloud.runpod.rest.schema import closed, nullable, text
from infra.localcloud.runpod.rest.times import timestamp

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService

USER_ID = "user_local"

CREATE = closed({"resource": text(), "name": nullable(text(), "string")}, required=["resource"])
_ARN = re.compile(r"arn:aws:ecr:([a-z0-9-]+):([0-9]{12}):repository/([a-z0-9._/-]+)(?::([A-Za-z0-9._-]+))?")


class DelegationHandlers:
    def __init__(self, service: "RestService") -> None:
        self._clock = service.clock
        self._rows = Rows(service.store, "delegations", "delegation")

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"delegations": [_view(row) for row in self._rows.all()]})

    async def create(self, request: web.Request) -> web.Response:
        body = await read_request(request, CREATE)
        arn = _ARN.fullmatch(body["resource"])
        if arn is None:
            raise bad_request("resource is not the ARN of an ECR repository")
        region, account, repository, tag = arn.groups()
        row = self._rows.add(
            {
                "name": body.get("name"),
                "delegatorUserId": USER_ID,
                "awsUser": account,
                "repository": repository,
                "tag": tag or "latest",
                "awsRegion": region,
                "dockerRegistryUri": f"{account}.dkr.ecr.{region}.amazonaws.com",
                "createdAt": self._clock.now(),
            }
        )
        return web.json_response(_view(row), status=201)

    async def delete(self, request: web.Request) -> web.Response:
        self._rows.get(request.match_info["id"])
        self._rows.remove(request.match_info["id"])
        return web.Response(status=204)


def _view(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "order"}
    return shown | {"createdAt": timestamp(row["createdAt"])}
