"""As much of Pulumi's engine as a resource meets: one stack, its state, and the provider behind real gRPC.

A resource is named `Type/name`, such as `App/search`; without a type it is of the engine's usual one.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, ClassVar

import grpc.aio  # type: ignore[import-untyped]

from infra.kit.protos import provider_pb2, provider_pb2_grpc, status_pb2
from infra.kit.wire import Secret, decode, encode, plain


class Refused(Exception):
    """A Check that failed, by property."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures


class Failed(Exception):
    """A call that the provider ended with an error."""


@dataclass
class Entry:
    """A resource in the state."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    init_errors: list[str] = field(default_factory=list)

    @property
    def plain(self) -> dict[str, Any]:
        return dict(plain(self.outputs))


@dataclass
class Diff:
    changed: bool
    replaces: list[str]
    fields: dict[str, int]
    first: bool = False  # the old one goes before the new one comes


class Engine:
    package: ClassVar[str]
    usual: ClassVar[str] = ""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub) -> None:
        self.stub: Any = stub
        self.state: dict[str, Entry] = {}

    @classmethod
    def urn(cls, name: str) -> str:
        kind, _, own = name.rpartition("/")
        return f"urn:pulumi:dev::shop::{cls.package}:index:{kind or cls.usual}::{own}"

    async def configure(self, olds: dict[str, Any], **config: Any) -> dict[str, Any]:
        """CheckConfig and Configure; returns the provider's inputs as they are stored. `olds`: those stored before."""
        request = provider_pb2.CheckRequest(olds=encode(olds), news=encode(config))
        checked = await self._call("CheckConfig", request)
        assert not checked.failures, checked.failures
        await self._call("Configure", provider_pb2.ConfigureRequest(args=checked.inputs, acceptSecrets=True))
        return decode(checked.inputs)

    async def check(self, name: str, props: dict[str, Any]) -> dict[str, Any]:
        olds = self.state[name].inputs if name in self.state else {}
        answer = await self._call(
            "Check",
            provider_pb2.CheckRequest(
                urn=self.urn(name), olds=encode(olds), news=encode(props), randomSeed=secrets.token_bytes(32)
            ),
        )
        if answer.failures:
            raise Refused({failure.property: failure.reason for failure in answer.failures})
        return decode(answer.inputs)

    async def diff(self, name: str, inputs: dict[str, Any]) -> Diff:
        old = self.state[name]
        answer = await self._call(
            "Diff",
            provider_pb2.DiffRequest(
                id=old.id,
                urn=self.urn(name),
                olds=encode(old.outputs),
                news=encode(inputs),
                old_inputs=encode(old.inputs),
            ),
        )
        kinds = {path: entry.kind for path, entry in answer.detailedDiff.items()}
        return Diff(
            answer.changes == provider_pb2.DiffResponse.DIFF_SOME,
            list(answer.replaces),
            kinds,
            answer.deleteBeforeReplace,
        )

    async def preview(self, name: str, props: dict[str, Any]) -> dict[str, Any]:
        """The outputs that a preview would show, plain."""
        inputs = await self.check(name, props)
        if name not in self.state:
            request = provider_pb2.CreateRequest(urn=self.urn(name), properties=encode(inputs), preview=True)
            return dict(plain(decode((await self._call("Create", request)).properties)))
        old = self.state[name]
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=self.urn(name),
            olds=encode(old.outputs),
            news=encode(inputs),
            old_inputs=encode(old.inputs),
            preview=True,
        )
        return dict(plain(decode((await self._call("Update", request)).properties)))

    async def up(self, name: str, props: dict[str, Any], *, timeout: float = 0) -> str:
        """What `pulumi up` does with one resource: "create", "same", "update" or "replace"."""
        inputs = await self.check(name, props)
        if name not in self.state:
            await self._create(name, inputs, timeout)
            return "create"
        old = self.state[name]
        found = await self.diff(name, inputs)
        if found.replaces and found.first:
            await self._delete(name, self.state.pop(name))
        if found.replaces:
            fresh = await self._call(
                "Check",
                provider_pb2.CheckRequest(
                    urn=self.urn(name), news=encode(props), randomSeed=secrets.token_bytes(32)
                ),
            )
            await self._create(name, decode(fresh.inputs), timeout)
            if not found.first:
                await self._delete(name, old)
            return "replace"
        if not found.changed and not old.init_errors:
            old.inputs = inputs  # as the engine does, which keeps the outputs
            return "same"
        await self._update(name, old, inputs, timeout)
        return "update"

    async def refresh(self, name: str) -> Entry | None:
        old = self.state[name]
        found = await self._read(name, old.id, old.inputs, old.outputs)
        if found is None:
            del self.state[name]
            return None
        self.state[name] = found
        return found

    async def adopt(self, name: str, id: str) -> Entry:
        """`pulumi import`."""
        found = await self._read(name, id, {}, {})
        assert found is not None
        self.state[name] = found
        return found

    async def invoke(self, function: str, **args: Any) -> dict[str, Any]:
        request = provider_pb2.InvokeRequest(tok=f"{self.package}:index:{function}", args=encode(args))
        answer = await self._call("Invoke", request)
        if answer.failures:
            raise Refused({failure.property: failure.reason for failure in answer.failures})
        return dict(plain(decode(getattr(answer, "return"))))

    async def replace(self, name: str, props: dict[str, Any]) -> str:
        """`pulumi up --replace`: the new one before the old goes."""
        old = self.state[name]
        seed = secrets.token_bytes(32)
        request = provider_pb2.CheckRequest(urn=self.urn(name), news=encode(props), randomSeed=seed)
        await self._create(name, decode((await self._call("Check", request)).inputs), 0)
        await self._delete(name, old)
        return self.state[name].id

    async def destroy(self, name: str) -> None:
        await self._delete(name, self.state.pop(name))

    async def _create(self, name: str, inputs: dict[str, Any], timeout: float) -> None:
        request = provider_pb2.CreateRequest(urn=self.urn(name), properties=encode(inputs), timeout=timeout)
        answer = await self._saving(name, inputs, "Create", request)
        self.state[name] = Entry(answer.id, inputs, decode(answer.properties))

    async def _update(self, name: str, old: Entry, inputs: dict[str, Any], timeout: float) -> None:
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=self.urn(name),
            olds=encode(old.outputs),
            news=encode(inputs),
            old_inputs=encode(old.inputs),
            timeout=timeout,
        )
        answer = await self._saving(name, inputs, "Update", request)
        self.state[name] = Entry(old.id, inputs, decode(answer.properties))

    async def _delete(self, name: str, old: Entry) -> None:
        request = provider_pb2.DeleteRequest(
            id=old.id, urn=self.urn(name), properties=encode(old.outputs), old_inputs=encode(old.inputs)
        )
        await self._call("Delete", request)

    async def _read(
        self, name: str, id: str, inputs: dict[str, Any], outputs: dict[str, Any]
    ) -> Entry | None:
        request = provider_pb2.ReadRequest(
            id=id, urn=self.urn(name), properties=encode(outputs), inputs=encode(inputs)
        )
        answer = await self._call("Read", request)
        return Entry(answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    async def _saving(self, name: str, inputs: dict[str, Any], method: str, request: Any) -> Any:
        """The call; what exists but is not ready goes into the state, as the engine does it."""
        try:
            return await getattr(self.stub, method)(request)
        except grpc.aio.AioRpcError as error:
            for key, value in error.trailing_metadata() or ():
                if key == "grpc-status-details-bin":
                    status = status_pb2.Status.FromString(value)
                    detail = provider_pb2.ErrorResourceInitFailed()
                    status.details[0].Unpack(detail)
                    outputs = decode(detail.properties)
                    self.state[name] = Entry(detail.id, inputs, outputs, list(detail.reasons))
            raise Failed(error.details()) from None

    async def _call(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self.stub, method)(request)
        except grpc.aio.AioRpcError as error:
            raise Failed(error.details()) from None


def secret(value: Any) -> Secret:
    return Secret(value)
