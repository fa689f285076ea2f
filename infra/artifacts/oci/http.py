"""Requests to one registry: its token flow, one bounded retry policy, errors that say what to do."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from infra.artifacts.oci.auth import Challenge, Login, parse_challenge
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    import httpx

Sleep = Callable[[float], Awaitable[None]]
ATTEMPTS = 5
FIRST_DELAY_S = 0.25
MAX_WAIT_S = 30.0


class RegistryError(PilotlightError):
    """The registry refused. `status`: the HTTP status, 0 = no answer."""

    def __init__(self, what: str, *, status: int = 0, wanted: str = "", fix: str = "") -> None:
        super().__init__(what, wanted=wanted, fix=fix)
        self.status = status


class RegistryUnreachable(RegistryError):
    """No answer after every attempt. Blobs sent so far are kept; the next `pulumi up` goes on from there."""


class RegistryHttp:
    """`url`: the API's base; `host`: what image references call the registry."""

    def __init__(self, url: str, host: str, login: Login | None, *, local: bool, sleep: Sleep) -> None:
        self.url = url.rstrip("/")
        self.host = host
        self.sleep = sleep
        self._login = login
        self._local = local
        self._authorization: dict[str, str] = {}
        self._client: httpx.AsyncClient | None = None

    async def send(
        self,
        method: str,
        address: str,
        *,
        scope: str,
        accept: tuple[int, ...],
        attempts: int = ATTEMPTS,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        parameters: dict[str, str] | None = None,
    ) -> "httpx.Response":
        """One request; `address` is a path or a URL that the registry gave. Returns a status in `accept` or raises."""
        for attempt in range(1, attempts + 1):
            try:
                response = await self._authorized(method, address, scope, headers, content, parameters)
            except RegistryUnreachable:
                if attempt == attempts:
                    raise
                wait = _backoff(attempt)
            else:
                if response.status_code in accept:
                    return response
                if attempt == attempts or response.status_code not in (429, 500, 502, 503, 504):
                    raise self._refused(method, address, response)
                wait = _retry_after(response, attempt)
            await self.sleep(wait)
        raise AssertionError("unreachable")

    async def stream_to(self, address: str, scope: str, write: Callable[[bytes], Any]) -> None:
        """GET into `write`. Redirects are followed; the registry's authorization does not go to another host."""
        import httpx

        await self.send("HEAD", address, scope=scope, accept=(200, 307))
        try:
            async with self.client().stream(
                "GET", self.url + address, headers=self._auth_header(self.url + address, scope)
            ) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise self._refused("GET", address, response)
                async for chunk in response.aiter_raw(1 << 20):
                    await asyncio.to_thread(write, chunk)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def client(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(60, connect=10), follow_redirects=True, trust_env=not self._local
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _authorized(
        self,
        method: str,
        address: str,
        scope: str,
        headers: dict[str, str] | None,
        content: bytes | None,
        parameters: dict[str, str] | None,
    ) -> "httpx.Response":
        import httpx

        url = httpx.URL(self.url).join(address)
        if parameters:
            url = url.copy_merge_params(parameters)
        try:
            if content and self._is_ours(str(url)) and not self._auth_header(str(url), scope):
                await self._ask_first(scope)
            sent = {**(headers or {}), **self._auth_header(str(url), scope)}
            response = await self.client().request(method, url, headers=sent, content=content)
            if response.status_code != 401 or not self._is_ours(str(url)):
                return response
            challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
            await self._authenticate(challenge, scope)
            sent = {**(headers or {}), **self._auth_header(str(url), scope)}
            return await self.client().request(method, url, headers=sent, content=content)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    async def _ask_first(self, scope: str) -> None:
        """Learn what the registry wants before a body is sent for nothing."""
        response = await self.client().get(f"{self.url}/v2/")
        if response.status_code == 401:
            await self._authenticate(parse_challenge(response.headers.get("WWW-Authenticate", "")), scope)

    def _is_ours(self, url: str) -> bool:
        return url == self.url or url.startswith(self.url + "/")

    def _auth_header(self, url: str, scope: str) -> dict[str, str]:
        known = self._authorization.get(scope) or self._authorization.get("*")
        return {"Authorization": known} if known and self._is_ours(url) else {}

    async def _authenticate(self, challenge: Challenge, scope: str) -> None:
        if challenge.scheme == "basic" and self._login is not None:
            self._authorization["*"] = self._login.basic
            return
        if challenge.scheme != "bearer" or "realm" not in challenge.parameters:
            raise self._no_login()
        token = await self._token(challenge, scope)
        self._authorization[scope] = f"Bearer {token}"

    async def _token(self, challenge: Challenge, scope: str) -> str:
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
        if not realm.startswith("https://") and not self.url.startswith("http://"):
            raise RegistryError(f"{self.host} sends us for a token to {realm}", wanted="an https address")
        query = {"service": service, "scope": scope}
        client = self.client()
        if self._login is not None and self._login.user == "<token>":
            form = {
                **query,
                "grant_type": "refresh_token",
                "refresh_token": self._login.password,
                "client_id": "pilotlight",
            }
            response = await client.post(realm, data=form)
        else:
            sent = {"Authorization": self._login.basic} if self._login is not None else {}
            response = await client.get(realm, params=query, headers=sent)
        if response.status_code != 200:
            raise self._no_login(response.status_code)
        answer = response.json()
        return str(answer.get("token") or answer.get("access_token") or "")

    def _no_login(self, status: int = 401) -> RegistryError:
        what = "asks for a login" if self._login is None else f"does not accept user {self._login.user!r}"
        return RegistryError(f"the registry {self.host} {what} ({status})", status=status, fix=_GIVE_LOGIN)

    def _refused(self, method: str, address: str, response: "httpx.Response") -> RegistryError:
        status = response.status_code
        if status == 401:
            return self._no_login()
        if status == 403:
            return RegistryError(
                f"the registry {self.host} forbids {method} {address.partition('?')[0]} (403{_detail(response)})",
                status=status, wanted="a login with the right to push to this repository", fix=_GIVE_LOGIN,
            )  # fmt: skip
        return RegistryError(
            f"the registry {self.host} answered {status} to {method} {address.partition('?')[0]}{_detail(response)}",
            status=status,
        )

    def _unreachable(self, error: Exception) -> RegistryUnreachable:
        return RegistryUnreachable(
            f"the registry {self.host} does not answer at {self.url} ({type(error).__name__})",
            fix="See that it is up and reachable, then run `pulumi up` again: it goes on where it stopped.",
        )


_GIVE_LOGIN = (
    "Run `docker login`, or `pulumi config set pilotlight-artifacts:registryUsername` and "
    "`pulumi config set --secret pilotlight-artifacts:registryPassword`."
)


def _backoff(attempt: int) -> float:
    return FIRST_DELAY_S * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)


def _retry_after(response: "httpx.Response", attempt: int) -> float:
    given = response.headers.get("Retry-After", "")
    return min(float(given), MAX_WAIT_S) if given.isdecimal() else _backoff(attempt)


def _detail(response: "httpx.Response") -> str:
    try:
        errors = response.json()["errors"]
        return "".join(f": {error['code']} {error.get('message', '')}".rstrip() for error in errors[:3])
    except (ValueError, KeyError, TypeError):
        return ""
