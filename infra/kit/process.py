"""The process side of Pulumi's ResourceProvider service: greeting, schema, configuration, functions, the client."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio  # type: ignore[import-untyped]
from google.protobuf import empty_pb2

from infra.kit import diff as differ
from infra.kit.check import validate
from infra.kit.config import check_config, configure, diff_config
from infra.kit.context import Cancelled, Clock, ConnectContext, InvokeContext, Subject, SystemClock
from infra.kit.engine import Engine
from infra.kit.faults import abort, explain, redact
from infra.kit.mark import new_instance, short
from infra.kit.problems import nearest
from infra.kit.protos import plugin_pb2, provider_pb2, provider_pb2_grpc
from infra.kit.provider import Provider
from infra.kit.resource import Failure
from infra.kit.session import Session, instance_of_a_killed_run
from infra.kit.wire import Tree, decode, encode, plain, schema_secret_paths, secret_texts, to_wire, wrap
from infra.spec.errors import PilotlightError


class ConfigError(PilotlightError):
    """The provider's configuration does not allow a connection."""


class Process(provider_pb2_grpc.ResourceProviderServicer):
    """`root` is the directory of Pulumi.yaml; without it there is no journal."""

    def __init__(
        self,
        provider: Provider[Any],
        *,
        engine: Engine | None = None,
        clock: Clock | None = None,
        root: Path | None = None,
    ) -> None:
        self.provider = provider
        self.engine = engine or Engine()
        self.clock = clock or SystemClock()
        self.root = root
        self.cancelled = asyncio.Event()
        self.session = Session(new_instance(), root)
        self._config: Any = None
        self._config_failures: list[Failure] = []
        self._config_secrets: list[str] = []
        self._client: asyncio.Future[Any] | None = None
        self._owner = ""

    async def Handshake(self, request: Any, context: Any) -> Any:
        self.engine.attach(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True,
            accept_resources=False,
            accept_outputs=False,
            supports_autonaming_configuration=True,
        )

    async def Attach(self, request: Any, context: Any) -> Any:
        self.engine.attach(request.address)
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.provider.version)

    async def GetSchema(self, request: Any, context: Any) -> Any:
        from infra.kit.schema import build

        async with self.faults(context, self.provider.name, "GetSchema"):
            return provider_pb2.GetSchemaResponse(schema=json.dumps(build(self.provider)))

    async def GetMapping(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingResponse()

    async def GetMappings(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingsResponse()

    async def Cancel(self, request: Any, context: Any) -> Any:
        """Comes when the user stops the run, and at the end of every run."""
        self.session.finish()
        self.cancelled.set()
        return empty_pb2.Empty()

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        # The secrets arrive in plain text: nothing of this request may be logged.
        news, olds = decode(request.news), decode(request.olds)
        async with self.faults(context, self.provider.name, "CheckConfig", news) as secrets:
            secrets += secret_texts(wrap(news, schema_secret_paths(self.provider.config, news)))
            self._owner = _owner(request.urn)
            inputs, failures = check_config(
                self.provider.config,
                news,
                olds,
                lambda: instance_of_a_killed_run(self.root, self._owner) or new_instance(),
            )
            return provider_pb2.CheckResponse(inputs=encode(inputs), failures=as_failures(failures, secrets))

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        """A changed configuration must be reported, or the engine configures the provider with the old one."""
        olds, news = decode(request.old_inputs), decode(request.news)
        async with self.faults(context, self.provider.name, "DiffConfig", news):
            return as_diff(diff_config(self.provider.config, olds or decode(request.olds), news))

    async def Configure(self, request: Any, context: Any) -> Any:
        """Begins a session: an attached process may serve several runs."""
        args = decode(request.args)
        async with self.faults(context, self.provider.name, "Configure", args):
            self._config, self._config_failures, instance = configure(self.provider.config, args)
            self.session = Session(instance, self.root, self._owner or _owner(request.urn))
            self.cancelled = asyncio.Event()
            self._client = None
            tree = to_wire(self._config) if self._config is not None else plain(args)
            secret = wrap(tree, schema_secret_paths(self.provider.config, tree))
            self._config_secrets = [*secret_texts(args), *secret_texts(secret)]
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=False,
            supports_autonaming_configuration=True,
        )

    async def Invoke(self, request: Any, context: Any) -> Any:
        args = decode(request.args)
        async with self.faults(context, request.tok, "Invoke", args) as secrets:
            function = self.provider.function(request.tok)
            if function is None:
                raise no_such("function", request.tok, self.provider, self.provider.invokes)
            checked, failures = validate(function.Args, plain(args), [])
            if failures or checked is None:
                return provider_pb2.InvokeResponse(failures=as_failures(failures, secrets))
            subject = Subject(request.tok)
            client = await self.connect(subject)
            result = to_wire(
                await function.call(InvokeContext(subject, self.root, self.engine, client), checked)
            )
            await self.engine.flush()
            response = provider_pb2.InvokeResponse()
            tree = wrap(result, schema_secret_paths(function.Result, result))
            getattr(response, "return").CopyFrom(encode(tree))  # a keyword in Python
            return response

    async def connect(self, subject: Subject) -> Any:
        """The client, made once; a failure is not kept, so the next request tries again."""
        if self._config is None:
            raise _unconfigured(self.provider, self._config_failures)
        if self._client is None or (self._client.done() and self._client.exception() is not None):
            context = ConnectContext(subject, self.root, self.engine)
            self._client = asyncio.ensure_future(self.provider.connect(self._config, context))
        stop = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({self._client, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        if not self._client.done():
            raise Cancelled
        return self._client.result()

    @asynccontextmanager
    async def faults(self, context: Any, urn: str, method: str, *trees: Tree) -> AsyncIterator[list[str]]:
        """Gives everything secret in this request; what is raised inside ends the request as one clean text."""
        secrets = [*self._config_secrets, *(text for tree in trees for text in secret_texts(tree))]
        try:
            yield secrets
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:
            token = Subject(urn).type or urn
            await self.engine.flush()
            await abort(context, explain(error, token, method, secrets))


def as_failures(failures: Iterable[Failure], secrets: list[str]) -> Iterator[Any]:
    for failure in failures:
        yield provider_pb2.CheckFailure(property=failure.path, reason=redact(failure.reason, secrets))


def as_diff(found: list[differ.Difference]) -> Any:
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if found else response.DIFF_NONE,
        replaces=differ.replaces(found),
        diffs=differ.changed(found),
        detailedDiff={
            item.text: provider_pb2.PropertyDiff(kind=item.kind, inputDiff=True)  # type: ignore[arg-type]
            for item in found
        },
        hasDetailedDiff=bool(found),
        deleteBeforeReplace=differ.deletes_first(found),
    )


def no_such(kind: str, token: str, provider: Provider[Any], known: Iterable[str]) -> PilotlightError:
    near = nearest(provider.key(token), known)
    return PilotlightError(
        f"{provider.name} has no {kind} {token}",
        wanted=f"one of {', '.join(map(provider.token, known))}",
        fix=f"did you mean {near}?" if near else "",
    )


def _owner(urn: str) -> str:
    """Whose run it is, for the journal: the provider's URN and the backend that keeps the state."""
    return short(f"{os.environ.get('PULUMI_BACKEND_URL', '')} {urn}".encode(), 12) if urn else ""


def _unconfigured(provider: Provider[Any], failures: list[Failure]) -> ConfigError:
    if not failures:
        return ConfigError(f"{provider.name} is not configured yet")
    reasons = "; ".join(f"{failure.path}: {failure.reason}" for failure in failures)
    return ConfigError(f"the configuration of {provider.name} is not usable: {reasons}")
