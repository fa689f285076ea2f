"""Calls `/_local/` of a running daemon. Standard library, no proxies: for commands that must answer at once."""

import http.client
import json
from collections.abc import Mapping
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

    def _json(self, method: str, path: str, body: str | None) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise DaemonError(
                f"the local cloud at {self._address} does not answer: {error}",
                fix="`pilotlight cloud down`, then `pilotlight cloud up`",
            ) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise DaemonError(_message(text) or f"the local cloud answered {response.status}")
        return json.loads(text)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip()
