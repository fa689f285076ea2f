"""Deploying an app's module, and what changes without one: the autoscaler's numbers and the tags."""

import asyncio
import importlib.util
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from infra.kit import Context
from infra.modal.app_model import AppInputs, AppState, Service
from infra.modal.client import ModalClient
from infra.modal.errors import BuildFailed, Conflict
from infra.modal.rules import OUR_TAGS

MARK_TAG = f"{OUR_TAGS}mark"
MODULE_TAG = f"{OUR_TAGS}module"

_importing = threading.Lock()


async def deploy(ctx: Context[ModalClient], inputs: AppInputs, environment: str) -> str:
    """Deploy, and return the app's id. The tags that make it ours are published together with the code."""
    client = await ctx.client.open()
    ctx.status("rendering the app's module")
    path = await asyncio.to_thread(_write, ctx, client, inputs)
    return await publish(ctx, inputs, environment, path)


async def publish(ctx: Context[ModalClient], inputs: AppInputs, environment: str, path: Path) -> str:
    """Deploy the rendered module at `path`, whose stem is its name, and return the app's id."""
    client = await ctx.client.open()
    app = await asyncio.to_thread(_load, path, our_tags(ctx, inputs), ctx.root)
    ctx.status("deploying")
    try:
        with client.doing(f"deploy app {inputs.name}"):
            deployed = await app.deploy.aio(
                name=inputs.name,
                environment_name=environment,
                tag=path.stem,
                client=client.handle,
                strategy=inputs.strategy.value,
            )
    except BuildFailed as failed:
        log = await client.build_log(failed.image_id) if failed.image_id else ""
        raise BuildFailed(f"{failed.what}\n{log}".strip(), fix=failed.fix) from failed
    return str(deployed.app_id)


async def scale(ctx: Context[ModalClient], current: AppState, wanted: AppInputs) -> bool:
    """Bring the autoscaler of each function to what is declared. Returns whether there was anything to do."""
    client = await ctx.client.open()
    live: dict[str, Service] = {**current.functions, **current.classes}
    declared: dict[str, Service] = {**wanted.functions, **wanted.classes}
    due = [
        (name, current.function_ids[name], differences)
        for name, service in declared.items()
        if name in live and (differences := _differences(live[name], service))
    ]
    for name, id, differences in due:
        ctx.status(f"scaling {name}")
        with client.doing(f"scale {name}"):
            function = client.api.Function.from_id(id, client=client.handle)
            await function.autoscaler.update.aio(**differences)
    return bool(due)


async def tag(ctx: Context[ModalClient], id: str, inputs: AppInputs) -> None:
    await ctx.client.rpc("AppSetTags", f"tag app {inputs.name}", app_id=id, tags=our_tags(ctx, inputs))


def our_tags(ctx: Context[ModalClient], inputs: AppInputs) -> dict[str, str]:
    return {**inputs.tags, MARK_TAG: str(ctx.mark), MODULE_TAG: str(inputs.module)}


def _differences(current: Service, wanted: Service) -> dict[str, Any]:
    """Under the names of `autoscaler.update`. What is left to Modal stays as it is."""
    pairs = {
        "min_containers": (current.min_containers, wanted.min_containers),
        "max_containers": (current.max_containers, wanted.max_containers),
        "buffer_containers": (current.buffer_containers, wanted.buffer_containers),
    }
    if wanted.scaledown_window_s is not None:
        pairs["scaledown_window"] = (current.scaledown_window_s, wanted.scaledown_window_s)
    return {key: after for key, (before, after) in pairs.items() if before != after}


def module_path(ctx: Context[ModalClient], client: ModalClient, inputs: AppInputs) -> Path:
    """Where the module that was deployed last stays on this disk: in a directory of this resource alone, because the client
    refuses a file that another deployment writes meanwhile."""
    return client.state_dir / "modules" / f"{inputs.name}.{ctx.mark}" / f"{inputs.module}.py"


def forget_module(ctx: Context[ModalClient], state: AppState) -> None:
    shutil.rmtree(module_path(ctx, ctx.client, state).parent, ignore_errors=True)


def _write(ctx: Context[ModalClient], client: ModalClient, inputs: AppInputs) -> Path:
    """The module on this disk, where it stays for a look at what is deployed."""
    from images.modal_module import module_text
    from infra.modal import app_module

    app, code, problems = app_module.read(ctx.root, inputs)
    if problems or app_module.name(app, code) != inputs.module:
        changed = problems[0][1] if problems else f"{inputs.source} or what is built with it"
        raise Conflict(f"the app's code changed since it was checked: {changed}", fix="run `pulumi up` again")
    path = module_path(ctx, client, inputs)
    directory = path.parent
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{threading.get_ident()}.tmp")
    temporary.write_bytes(module_text(app, code))
    temporary.replace(path)
    for old in directory.glob("pl_*.py"):
        if old != path:
            old.unlink(missing_ok=True)
    return path


def _load(path: Path, tags: dict[str, str], root: Path | None) -> Any:
    """A fresh `modal.App` of the module: one App object must not be deployed twice at a time."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update({"PILOTLIGHT_TAGS": tags, "PILOTLIGHT_ROOT": str(root or "")})
    with _importing:
        # The client asks sys.modules which file a function comes from.
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    return module.app
