"""`pilotlight-modal:index:App`: functions, classes and web endpoints, deployed together from one module."""

import asyncio
from typing import Any, ClassVar

from infra.kit import UNKNOWN, CheckContext, Context, Created, Failure, InTheWay, Resource
from infra.modal import app_check, app_wire, deployment, rules
from infra.modal.app_model import AppInputs, AppState
from infra.modal.app_wire import CLASS_SUFFIX, Names
from infra.modal.client import ModalClient
from infra.modal.deployment import MARK_TAG, MODULE_TAG
from infra.modal.errors import Missing, no_id
from infra.modal.ledger import Ledger, Note
from infra.modal.named import moment
from infra.modal.rules import OUR_TAGS, known_items

_RUNNING = ("deployed", "initializing")
_DASHBOARD = "https://modal.com/id/"


class App(Resource[ModalClient, AppInputs, AppState]):
    """Functions, classes and web endpoints on Modal. A new version is deployed where code, image or settings change;
    the autoscaler's numbers and the tags change in place."""

    Inputs: ClassVar = AppInputs
    State: ClassVar = AppState
    reads_disk: ClassVar = True

    # Images may be built.
    create_timeout_s: ClassVar = 1800.0
    update_timeout_s: ClassVar = 1800.0

    def check(self, ctx: CheckContext, inputs: AppInputs) -> list[Failure]:
        failures = app_check.failures(ctx, inputs)
        if failures or inputs.module is not None or not app_check.complete(inputs):
            return failures
        from infra.modal import app_module

        _, _, problems = app_module.read(ctx.root, inputs)
        return [Failure(path, reason) for path, reason in problems]

    def computed(self, ctx: CheckContext, inputs: AppInputs) -> dict[str, Any]:
        if inputs.source is None:
            return {}
        if not app_check.complete(inputs):
            return {"module": UNKNOWN}
        from infra.modal import app_module

        app, code, problems = app_module.read(ctx.root, inputs)
        return {} if problems else {"module": app_module.name(app, code)}

    def preview(self, ctx: CheckContext, inputs: AppInputs, old: AppState | None) -> dict[str, Any]:
        if old is None:
            return {}
        known: dict[str, Any] = {"app_id": old.app_id, "dashboard_url": old.dashboard_url}
        if _addresses(inputs) == _addresses(old):
            known |= {"url": old.url, "web_urls": old.web_urls}
        return known

    async def find(self, ctx: Context[ModalClient], inputs: AppInputs) -> str | None:
        client = await ctx.client.open()
        note = _ledger(ctx).get(str(ctx.mark))
        environment = await client.environment(inputs.environment)
        places = [(note.name, note.environment)] if note else []
        for name, place in dict.fromkeys([*places, (str(inputs.name), environment)]):
            app = await _lookup(client, name, place)
            if app is None:
                continue
            with client.doing(f"read the tags of app {name}"):
                tags = await app.get_tags.aio()
            if tags.get(MARK_TAG) == str(ctx.mark):
                return str(app.app_id)
            if name == inputs.name and place == environment:
                raise InTheWay(app.app_id, f'Modal app "{name}" ({app.app_id}) in environment {place}')
        return None

    async def create(self, ctx: Context[ModalClient], inputs: AppInputs) -> Created[AppState]:
        client = await ctx.client.open()
        environment = await client.environment(inputs.environment)
        _ledger(ctx).note(str(ctx.mark), Note(str(inputs.name), environment))
        app_id = await deployment.deploy(ctx, inputs, environment)
        ctx.created(app_id)
        state = await self._state(ctx, app_id, inputs)
        return Created(app_id, state or _missing(app_id))

    async def read(self, ctx: Context[ModalClient], id: str, old: AppState | None) -> AppState | None:
        if not id.startswith("ap-"):
            client = await ctx.client.open()
            environment = await client.environment(None)
            app = await _lookup(client, id, environment) if rules.is_name(id) else None
            raise no_id(id, "app", "ap-", app.app_id if app is not None else None)
        return await self._state(ctx, id, old)

    async def update(self, ctx: Context[ModalClient], id: str, old: AppState, new: AppInputs) -> AppState:
        current = await self._state(ctx, id, new) or _missing(id)
        environment = current.environment or await ctx.client.environment(new.environment)
        if current.module != new.module:
            deployed = await deployment.deploy(ctx, new, environment)
            if deployed != id:
                raise Missing(
                    f"app {new.name} was stopped and deployed anew as {deployed}",
                    fix="run `pulumi refresh`, then `pulumi up`",
                )
            current = await self._state(ctx, id, new) or _missing(id)
        changed = await deployment.scale(ctx, current, new)
        if current.tags != new.tags:
            await deployment.tag(ctx, id, new)
            changed = True
        return (await self._state(ctx, id, new) or _missing(id)) if changed else current

    async def delete(self, ctx: Context[ModalClient], id: str, old: AppState) -> None:
        client = await ctx.client.open()
        if await self._live(client, id) is not None:
            await client.rpc("AppStop", f"stop app {old.name}", app_id=id)
        _ledger(ctx).forget(str(ctx.mark))
        await asyncio.to_thread(deployment.forget_module, ctx, old)

    async def _live(self, client: ModalClient, id: str) -> Any:
        """Modal's answer about an app that is not stopped, else None."""
        await client.open()
        try:
            answer = await client.rpc("AppGetInfo", f"read app {id}", app_id=id)
        except Missing:
            return None
        info = client.api.types.AppInfo._from_proto(answer.info, id)
        return answer.info if info.lifecycle.state.value in _RUNNING else None

    async def _state(
        self, ctx: Context[ModalClient], id: str, hint: AppInputs | AppState | None
    ) -> AppState | None:
        client = ctx.client
        info = await self._live(client, id)
        if info is None:
            return None
        functions, history, tags = await asyncio.gather(
            self._functions(client, dict(info.functions)),
            client.rpc("AppDeploymentHistory", f"read the history of app {id}", app_id=id),
            client.rpc("AppGetTags", f"read the tags of app {id}", app_id=id),
        )
        names = await _names(client, functions, info.environment_name)
        urls = {
            name: url
            for tag, (data, _) in functions.items()
            for name, url in app_wire.web_urls(tag.removesuffix(CLASS_SUFFIX), data).items()
        }
        lifecycle = info.lifecycle
        version = lifecycle.version or None
        carried = ("source", "image", "env", "weights", "strategy", "intent")
        return AppState(
            **({field: getattr(hint, field) for field in carried} if hint else {}),
            name=await self._name(client, info, id, hint),
            environment=info.environment_name or (hint.environment if hint else None),
            functions={
                tag: app_wire.function_state(data, settings, names, (hint.functions if hint else {}).get(tag))
                for tag, (data, settings) in functions.items()
                if not tag.endswith(CLASS_SUFFIX)
            },
            classes={
                name: app_wire.class_state(data, settings, names, (hint.classes if hint else {}).get(name))
                for tag, (data, settings) in functions.items()
                if tag.endswith(CLASS_SUFFIX) and (name := tag.removesuffix(CLASS_SUFFIX))
            },
            tags={key: value for key, value in tags.tags.items() if not key.startswith(OUR_TAGS)},
            module=app_wire.live_module(history, version) or tags.tags.get(MODULE_TAG),
            app_id=id,
            version=version,
            deployed_at=_at(lifecycle.deployed_at),
            url=next(iter(urls.values())) if len(urls) == 1 else None,
            web_urls=urls,
            function_ids={tag.removesuffix(CLASS_SUFFIX): fid for tag, fid in info.functions.items()},
            image_ids={
                tag.removesuffix(CLASS_SUFFIX): app_wire.image_id(data)
                for tag, (data, _) in functions.items()
            },
            history=app_wire.history(history),
            rollback_version=app_wire.rollback_version(history, version),
            dashboard_url=f"{_DASHBOARD}{id}",
        )

    async def _functions(self, client: ModalClient, ids: dict[str, str]) -> dict[str, tuple[Any, Any]]:
        """By name: what each one is, and what its autoscaler goes by now."""

        async def one(name: str, id: str) -> tuple[Any, Any]:
            doing = f"read function {name}"
            found, scheduling = await asyncio.gather(
                client.rpc("FunctionGetById", doing, function_id=id),
                client.rpc("FunctionGetSchedulingParams", doing, function_id=id),
            )
            return found.function, scheduling.autoscaler_configuration.settings

        known = await asyncio.gather(*(one(name, id) for name, id in ids.items()))
        return {name: found for name, found in zip(ids, known, strict=True) if found[0].ranked_functions}

    async def _name(self, client: ModalClient, info: Any, id: str, hint: AppInputs | None) -> str:
        return str(hint.name) if hint and hint.name else str(info.description)


async def _lookup(client: ModalClient, name: str, environment: str) -> Any:
    """The app that is deployed under a name, None if there is none."""
    try:
        with client.doing(f"find app {name}"):
            return await client.api.App.lookup.aio(name, client=client.handle, environment_name=environment)
    except Missing:
        return None


async def _names(client: ModalClient, functions: dict[str, tuple[Any, Any]], environment: str) -> Names:
    ids = sorted({id for data, _ in functions.values() for id in app_wire.referred(data)})
    found = await asyncio.gather(*(client.name_of(id, environment) for id in ids))
    return Names(dict(zip(ids, found, strict=True)))


def _addresses(inputs: AppInputs) -> Any:
    """All that web addresses follow from."""
    services = [*known_items(inputs.functions), *known_items(inputs.classes)]
    return inputs.name, sorted((name, str(service.web)) for name, service in services if service.web)


def _missing(id: str) -> AppState:
    raise Missing(f"Modal has no running app {id} any more", fix="run `pulumi refresh`, then `pulumi up`")


def _at(timestamp: float) -> str:
    from datetime import UTC, datetime

    return moment(datetime.fromtimestamp(timestamp, UTC)) if timestamp else ""


def _ledger(ctx: Context[ModalClient]) -> Ledger:
    return Ledger(ctx.client.state_dir / "ledger")
