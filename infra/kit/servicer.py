"""The resource side of Pulumi's ResourceProvider service: decodes, calls, encodes. The rules are in other modules."""

from typing import Any

from google.protobuf import empty_pb2

from infra.kit import diff as differ
from infra.kit.check import Naming, check
from infra.kit.context import CheckContext, Subject
from infra.kit.faults import abort_init, redact
from infra.kit.lifecycle import Lifecycle
from infra.kit.mark import Entry
from infra.kit.process import Process, as_diff, as_failures, no_such
from infra.kit.protos import provider_pb2
from infra.kit.resource import InitFailed, Resource
from infra.kit.state import (
    UNFINISHED,
    load_inputs,
    load_state,
    outputs_of,
    preview_state,
    silently_updated,
)
from infra.kit.wire import Tree, decode, encode, plain, schema_secret_paths, secret_texts, wrap

_MODES = {0: "propose", 1: "enforce", 2: "disable"}


class Servicer(Process):
    async def Check(self, request: Any, context: Any) -> Any:
        news, olds = decode(request.news), decode(request.olds)
        async with self.faults(context, request.urn, "Check", news, olds) as secrets:
            resource, subject = self._resource(request.urn)
            secrets += secret_texts(wrap(news, schema_secret_paths(resource.Inputs, news)))
            self.session.seen(request.urn, olds)
            checked = await check(
                resource,
                self._check_context(subject, olds),
                self.session,
                news,
                olds,
                seed=request.randomSeed,
                naming=_naming(request),
                gate=self.provider.gate,
            )
            for text in checked.warnings:
                self.engine.warn(request.urn, redact(text, secrets))
            for text in checked.deferred:
                self.engine.info(request.urn, redact(f"proved at up: {text}", secrets))
            await self.engine.flush()
            if checked.failures:
                return provider_pb2.CheckResponse(failures=as_failures(checked.failures, secrets))
            return provider_pb2.CheckResponse(inputs=encode(checked.inputs))

    async def Diff(self, request: Any, context: Any) -> Any:
        olds, news = decode(request.old_inputs), decode(request.news)
        async with self.faults(context, request.urn, "Diff", olds, news):
            resource, _ = self._resource(request.urn)
            self.session.seen(request.urn, olds, request.id)
            known = differ.with_choices(resource.Inputs, olds, decode(request.olds))
            found = differ.diff(resource.Inputs, known, news, tuple(request.ignoreChanges))
            response = as_diff(found)
            entry = Entry.of(olds)
            if entry and not found and self.session.leftovers(request.urn, entry.mark):
                # Only an update call can remove what an interrupted replacement left behind.
                response.changes = provider_pb2.DiffResponse.DIFF_SOME
                response.diffs.append("__pilotlight")
            return response

    async def Create(self, request: Any, context: Any) -> Any:
        inputs = decode(request.properties)
        async with self.faults(context, request.urn, "Create", inputs) as secrets:
            resource, subject = self._resource(request.urn)
            if request.preview:
                outputs = self._preview(resource, subject, inputs, None)
                return provider_pb2.CreateResponse(properties=encode(outputs))
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.create_timeout_s)
            try:
                id, outputs = await lifecycle.create(inputs)
            except InitFailed as failed:
                await self._init_failed(context, resource, failed, inputs, secrets)
            await self.engine.flush()
            return provider_pb2.CreateResponse(id=id, properties=encode(outputs))

    async def Read(self, request: Any, context: Any) -> Any:
        outputs, inputs = decode(request.properties), decode(request.inputs)
        async with self.faults(context, request.urn, "Read", inputs, outputs):
            resource, subject = self._resource(request.urn)
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.read_timeout_s)
            id, outputs, inputs = await lifecycle.read(request.id, outputs, inputs)
            await self.engine.flush()
            return provider_pb2.ReadResponse(id=id, properties=encode(outputs), inputs=encode(inputs))

    async def Update(self, request: Any, context: Any) -> Any:
        outputs, news, olds = decode(request.olds), decode(request.news), decode(request.old_inputs)
        ignored = tuple(request.ignoreChanges)
        async with self.faults(context, request.urn, "Update", news, olds, outputs) as secrets:
            resource, subject = self._resource(request.urn)
            if request.preview:
                old = load_state(resource.State, olds, outputs)
                found = differ.diff(resource.Inputs, olds, news, ignored)
                if all(item.silent for item in found):
                    outputs = silently_updated(resource.State, old, news, differ.changed(found))
                else:
                    outputs = self._preview(resource, subject, news, old)
                return provider_pb2.UpdateResponse(properties=encode(outputs))
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.update_timeout_s)
            try:
                outputs = await lifecycle.update(request.id, outputs, olds, news, ignored)
            except InitFailed as failed:
                await self._init_failed(context, resource, failed, news, secrets)
            await self.engine.flush()
            return provider_pb2.UpdateResponse(properties=encode(outputs))

    async def Delete(self, request: Any, context: Any) -> Any:
        outputs, inputs = decode(request.properties), decode(request.old_inputs)
        async with self.faults(context, request.urn, "Delete", inputs, outputs):
            resource, subject = self._resource(request.urn)
            lifecycle = await self._lifecycle(resource, subject, request.timeout or resource.delete_timeout_s)
            await lifecycle.delete(request.id, outputs, inputs)
            await self.engine.flush()
            return empty_pb2.Empty()

    def _resource(self, urn: str) -> tuple[Resource[Any, Any, Any], Subject]:
        subject = Subject(urn)
        resource = self.provider.resource(subject.type)
        if resource is None:
            raise no_such("resource", subject.type, self.provider, self.provider.resources)
        return resource, subject

    def _check_context(self, subject: Subject, olds: Tree | None = None) -> CheckContext:
        return CheckContext(subject, self.root, self.engine, plain(olds or {}))

    def _preview(self, resource: Resource[Any, Any, Any], subject: Subject, inputs: Tree, old: Any) -> Tree:
        model = load_inputs(resource.Inputs, inputs)
        known = resource.preview(self._check_context(subject), model, old)
        return preview_state(resource.State, resource.Inputs, inputs, known)

    async def _lifecycle(
        self, resource: Resource[Any, Any, Any], subject: Subject, timeout: float
    ) -> Lifecycle:
        client = await self.connect(subject)
        return Lifecycle(
            resource, self.session, self.engine, subject, client, timeout, self.cancelled, self.clock
        )

    async def _init_failed(
        self,
        context: Any,
        resource: Resource[Any, Any, Any],
        failed: InitFailed,
        inputs: Tree,
        secrets: list[str],
    ) -> None:
        outputs = {**outputs_of(resource.State, failed.state, inputs), UNFINISHED: True}
        reasons = [redact(reason, secrets) for reason in failed.reasons]
        await self.engine.flush()
        await abort_init(context, failed.id, outputs, inputs, reasons)


def _naming(request: Any) -> Naming | None:
    if not request.HasField("autonaming"):
        return None
    return Naming(request.autonaming.proposed_name, _MODES.get(request.autonaming.mode, "propose"))
