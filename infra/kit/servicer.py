"""Pulumi's ResourceProvider service over a `Provider`: decodes, calls, encodes. The rules live in the other modules."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio  # type: ignore[import-untyped]
from google.protobuf import empty_pb2

from infra.kit import diff as differ
from infra.kit.check import Naming, check, validate
from infra.kit.config import check_config, configure, diff_config
from infra.kit.context import CheckContext, Clock, ConnectContext, InvokeContext, Subject, SystemClock
from infra.kit.engine import Engine
from infra.kit.faults import abort, abort_init, explain, redact
from infra.kit.lifecycle import Lifecycle
from infra.kit.local import seek_root
from infra.kit.mark import Entry, new_instance
from infra.kit.problems import nearest
from infra.kit.protos import plugin_pb2, provider_pb2, provider_pb2_grpc
from infra.kit.provider import Provider
from infra.kit.resource import Failure, InitFailed, Resource
from infra.kit.session import Session
from infra.kit.state import load_state, outputs_of, preview_state
from infra.kit.wire import Tree, decode, encode, plain, schema_secret_paths, secret_texts, to_wire, wrap
from infra.spec.errors import PilotlightError

_MODES = {0: "propose", 1: "enforce", 2: "disable"}


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
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
        self.root = root or seek_root(None)
        self.cancelled = asyncio.Event()
        self.session = Session(new_instance(), self.root)
        self.config: Any = None
        self._config_secrets: list[str] = []
        self._client: asyncio.Future[Any] | None = None

    # The process

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

        async with self._faults(context, self.provider.name, "GetSchema"):
            return provider_pb2.GetSchemaResponse(schema=json.dumps(build(self.provider)))

    async def GetMapping(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingResponse()

    async def GetMappings(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingsResponse()

    async def Cancel(self, request: Any, context: Any) -> Any:
        self.session.finish()
        self.cancelled.set()
        return empty_pb2.Empty()

    # The configuration

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        news, olds = decode(request.news), decode(request.olds)
        async with self._faults(context, self.provider.name, "CheckConfig", news):
            inputs, failures = check_config(self.provider.config, news, olds)
            return provider_pb2.CheckResponse(inputs=encode(inputs), failures=_failures(failures, []))

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        olds, news = decode(request.old_inputs), decode(request.news)
        async with self._faults(context, self.provider.name, "DiffConfig", news):
            return _diff_response(diff_config(self.provider.config, olds or decode(request.olds), news))

    async def Configure(self, request: Any, context: Any) -> Any:
        args = decode(request.args)
        async with self._faults(context, self.provider.name, "Configure", args):
            self.config, instance = configure(self.provider.config, args)
            self.session = Session(instance, self.root)
            self.cancelled = asyncio.Event()
            self._client = None
            tree = to_wire(self.config) if self.config is not None else plain(args)
            secret = wrap(tree, schema_secret_paths(self.provider.config, tree))
            self._config_secrets = [*secret_texts(args), *secret_texts(secret)]
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=False,
            supports_autonaming_configuration=True,
        )

    # Resources

    async def Check(self, request: Any, context: Any) -> Any:
        news, olds = decode(request.news), decode(request.olds)
        async with self._faults(context, request.urn, "Check", news, olds) as secrets:
            resource, subject = self._resource(request.urn)
            self.session.seen(request.urn, olds)
            naming = None
            if request.HasField("autonaming"):
                naming = Naming(
                    request.autonaming.proposed_name, _MODES.get(request.autonaming.mode, "propose")
                )
            checked = await check(
                resource,
                self._check_context(subject),
                self.session,
                news,
                olds,
                seed=request.randomSeed,
                naming=naming,
                gate=self.provider.gate,
            )
            for text in checked.warnings:
                self.engine.warn(request.urn, redact(text, secrets))
            for text in checked.deferred:
                self.engine.info(request.urn, redact(f"proved at up: {text}", secrets))
            await self.engine.flush()
            if checked.failures:
                return provider_pb2.CheckResponse(failures=_failures(checked.failures, secrets))
            return provider_pb2.CheckResponse(inputs=encode(checked.inputs))

    async def Diff(self, request: Any, context: Any) -> Any:
        olds, news = decode(request.old_inputs), decode(request.news)
        async with self._faults(context, request.urn, "Diff", olds, news):
            resource, _ = self._resource(request.urn)
            self.session.seen(request.urn, olds, request.id)
            found = differ.diff(resource.Inputs, olds, news, tuple(request.ignoreChanges))
            response = _diff_response(found)
            entry = Entry.of(olds)
            if entry and not found and self.session.leftovers(request.urn, entry.mark):
                # Only an update call can remove what an interrupted replacement left behind.
                response.changes = provider_pb2.DiffResponse.DIFF_SOME
                response.diffs.append("__pilotlight")
            return response

    async def Create(self, request: Any, context: Any) -> Any:
        inputs = decode(request.properties)
        async with self._faults(context, request.urn, "Create", inputs) as secrets:
            resource, subject = self._resource(request.urn)
            if request.preview:
                return provider_pb2.CreateResponse(
                    properties=encode(self._preview(resource, subject, inputs, None))
                )
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.create_timeout_s)
            try:
                id, outputs = await lifecycle.create(inputs)
            except InitFailed as failed:
                await self._init_failed(context, resource, failed, inputs, secrets)
            await self.engine.flush()
            return provider_pb2.CreateResponse(id=id, properties=encode(outputs))

    async def Read(self, request: Any, context: Any) -> Any:
        outputs, inputs = decode(request.properties), decode(request.inputs)
        async with self._faults(context, request.urn, "Read", inputs, outputs):
            resource, subject = self._resource(request.urn)
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.read_timeout_s)
            id, outputs, inputs = await lifecycle.read(request.id, outputs, inputs)
            await self.engine.flush()
            return provider_pb2.ReadResponse(id=id, properties=encode(outputs), inputs=encode(inputs))

    async def Update(self, request: Any, context: Any) -> Any:
        outputs, news, olds = decode(request.olds), decode(request.news), decode(request.old_inputs)
        async with self._faults(context, request.urn, "Update", news, olds, outputs) as secrets:
            resource, subject = self._resource(request.urn)
            if request.preview:
                known = self._preview_update(
                    resource, subject, olds, news, outputs, tuple(request.ignoreChanges)
                )
                return provider_pb2.UpdateResponse(properties=encode(known))
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.update_timeout_s)
            try:
                outputs = await lifecycle.update(
                    request.id, outputs, olds, news, tuple(request.ignoreChanges)
                )
            except InitFailed as failed:
                await self._init_failed(context, resource, failed, news, secrets)
            await self.engine.flush()
            return provider_pb2.UpdateResponse(properties=encode(outputs))

    async def Delete(self, request: Any, context: Any) -> Any:
        outputs, inputs = decode(request.properties), decode(request.old_inputs)
        async with self._faults(context, request.urn, "Delete", inputs, outputs):
            resource, subject = self._resource(request.urn)
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.delete_timeout_s)
            await lifecycle.delete(request.id, outputs, inputs)
            await self.engine.flush()
            return empty_pb2.Empty()

    async def Invoke(self, request: Any, context: Any) -> Any:
        args = decode(request.args)
        async with self._faults(context, request.tok, "Invoke", args) as secrets:
            function = self.provider.function(request.tok)
            if function is None:
                raise _no_such("function", request.tok, self.provider, self.provider.invokes)
            checked, failures = validate(function.Args, plain(args), [])
            if failures or checked is None:
                return provider_pb2.InvokeResponse(failures=_failures(failures, secrets))
            subject = Subject(request.tok)
            client = await self._connect(subject)
            result = to_wire(
                await function.call(InvokeContext(subject, self.root, self.engine, client), checked)
            )
            tree = wrap(result, schema_secret_paths(function.Result, result))
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(encode(tree))  # a keyword in Python
            return response

    # Helpers

    def _resource(self, urn: str) -> tuple[Resource[Any, Any, Any], Subject]:
        subject = Subject(urn)
        resource = self.provider.resource(subject.type)
        if resource is None:
            raise _no_such("resource", subject.type, self.provider, self.provider.resources)
        return resource, subject

    def _check_context(self, subject: Subject) -> CheckContext:
        return CheckContext(subject, self.root, self.engine)

    def _preview(self, resource: Resource[Any, Any, Any], subject: Subject, inputs: Tree, old: Any) -> Tree:
        model = resource.Inputs.model_validate(
            {key: value for key, value in plain(inputs).items() if not key.startswith("__")}
        )
        known = resource.preview(self._check_context(subject), model, old)
        return preview_state(resource.State, resource.Inputs, inputs, known)

    def _preview_update(
        self,
        resource: Resource[Any, Any, Any],
        subject: Subject,
        olds: Tree,
        news: Tree,
        outputs: Tree,
        ignored: tuple[str, ...],
    ) -> Tree:
        old = load_state(resource.State, olds, outputs)
        if all(item.silent for item in differ.diff(resource.Inputs, olds, news, ignored)):
            return outputs_of(resource.State, old, news)
        return self._preview(resource, subject, news, old)

    async def _lifecycle(
        self, resource: Resource[Any, Any, Any], subject: Subject, timeout: float
    ) -> Lifecycle:
        client = await self._connect(subject)
        return Lifecycle(
            resource, self.session, self.engine, subject, client, timeout, self.cancelled, self.clock
        )

    async def _connect(self, subject: Subject) -> Any:
        """The client, made once; a failure is not kept, so the next request tries again."""
        if self._client is None or (self._client.done() and self._client.exception() is not None):
            context = ConnectContext(subject, self.root, self.engine)
            self._client = asyncio.ensure_future(self.provider.connect(self.config, context))
        return await asyncio.shield(self._client)

    async def _init_failed(
        self,
        context: Any,
        resource: Resource[Any, Any, Any],
        failed: InitFailed,
        inputs: Tree,
        secrets: list[str],
    ) -> None:
        outputs = outputs_of(resource.State, failed.state, inputs)
        reasons = [redact(reason, secrets) for reason in failed.reasons]
        await self.engine.flush()
        await abort_init(context, failed.id, outputs, inputs, reasons)

    @asynccontextmanager
    async def _faults(self, context: Any, urn: str, method: str, *trees: Tree) -> AsyncIterator[list[str]]:
        """Everything that may be secret in this request; whatever is raised inside ends the request as one clean text."""
        secrets = [*self._config_secrets, *(text for tree in trees for text in secret_texts(tree))]
        try:
            yield secrets
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:
            token = Subject(urn).type or urn
            await abort(context, explain(error, token, method, secrets))


def _failures(failures: list[Failure], secrets: list[str]) -> Iterator[Any]:
    for failure in failures:
        yield provider_pb2.CheckFailure(property=failure.path, reason=redact(failure.reason, secrets))


def _diff_response(found: list[differ.Difference]) -> Any:
    response = provider_pb2.DiffResponse
    kinds = {
        text: provider_pb2.PropertyDiff(kind=kind, inputDiff=True)  # type: ignore[arg-type]
        for text, kind in differ.visible(found).items()
    }
    return response(
        changes=response.DIFF_SOME if found else response.DIFF_NONE,
        replaces=differ.replaces(found),
        diffs=differ.changed(found),
        detailedDiff=kinds,
        hasDetailedDiff=bool(found),
        deleteBeforeReplace=differ.deletes_first(found),
    )


def _no_such(kind: str, token: str, provider: Provider[Any], known: dict[str, str]) -> PilotlightError:
    near = nearest(provider.key(token), known)
    return PilotlightError(
        f"{provider.name} has no {kind} {token}",
        wanted=f"one of {', '.join(map(provider.token, known))}",
        fix=f"did you mean {near}?" if near else "",
    )
