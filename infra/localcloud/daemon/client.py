"""Calls `/_local/` of a running daemon. Standard library, no proxies: for commands that must answer at once."""

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from infra.spec.errors import PilotlightError

TIMEOUT_S = 10.0


class DaemonError(PilotlightError):
    """The daemon refused, or does not answer."""


class Client:
    def __init__(self, record: Mapping[str, Any]) -> None:
        self._address = urlsplit(record["url"]).netloc
        self._headers = {
            "Authorization": f"Bearer {record['runpod']['api_key']}",
            "Content-Type": "application/json",
        }

    def get(self, path: str) -> Any:
        return self._json("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        return self._json("POST", path, json.dumps(body))

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a text answer as they come, for as long as they come."""
        response = self._request("GET", path, None, timeout=None)
        while line := response.readline():
            yield line.decode(errors="replace").rstrip("\n")

    def _json(self, method: str, path: str, body: str | None) -> Any:
        return json.loads(self._request(method, path, body, timeout=TIMEOUT_S).read())

    def _request(
        self, method: str, path: str, body: str | None, timeout: float | None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._address, timeout=timeout)
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise DaemonError(
                f"the local cloud at {self._address} does not answer: {error}",
                fix="`pilotlight cloud down`, then `pilotlight cloud up`",
            ) from None
        if response.status >= 400:
            text = response.read().decode(errors="replace")
            raise DaemonError(_message(text) or f"the local cloud answered {response.status}")
        return response


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip()
