"""What the clouds have now, as the audit compares it. Only listings and reads: nothing here changes anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from infra.cli.audit_stack import Clouds, Held
from infra.cli.dev_state import MODAL, RUNPOD
from infra.runpod.client import Patience

if TYPE_CHECKING:
    from infra.modal.client import ModalClient
    from infra.runpod.account import Account

MARK_KEY = "PILOTLIGHT_MARK_"
_APP_WORKS = (
    2,
    3,
    6,
    8,
)  # detached, deployed, initializing, detached and disconnected: of modal_proto's AppState


@dataclass(frozen=True)
class Live:
    """One object in a cloud. `kind` is a user's word for it; `names` are what a state may know it by; `facts` are those
    that the audit compares."""

    cloud: str
    kind: str
    id: str
    name: str
    mark: str = ""
    names: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> str:
        return f"{self.cloud} {self.kind} {self.name} ({self.id})"


async def look(clouds: Clouds, state: Held) -> list[Live]:
    """Everything in the accounts that the stack's providers reach. Raises the clients' own errors."""
    found: list[Live] = []
    for account in clouds.runpod:
        found += await runpod(account, {row.id for row in state.of(RUNPOD)})
    environments = {str(row.outputs.get("environment") or "") for row in state.of(MODAL)}
    for client in clouds.modal:
        found += await modal(client, environments)
    return list({(one.cloud, one.kind, one.id): one for one in found}.values())


async def runpod(account: "Account", ours: set[str]) -> list[Live]:
    """Workers are asked for only of endpoints in `ours`, and of those that keep some on: one request each."""
    from infra.runpod import marks

    waiting = Patience()
    found = []
    for raw in await account.endpoints.all(waiting):
        facts: dict[str, Any] = {"raw": raw}
        if raw["id"] in ours or raw["workers"]["min"]:
            facts["workers"] = await account.endpoints.workers(waiting, raw["id"])
        found.append(
            Live("runpod", "endpoint", raw["id"], raw["name"], marks.of_environment(raw), facts=facts)
        )
    for raw in await account.pods.all(waiting):
        found.append(
            Live("runpod", "pod", raw["id"], raw["name"], marks.of_environment(raw), facts={"raw": raw})
        )
    for raw in await account.volumes.all(waiting):
        name, mark = marks.read(raw["name"])
        found.append(Live("runpod", "network volume", raw["id"], name, mark, facts={"raw": raw}))
    for raw in await account.registries.all(waiting):
        name, mark = marks.read(raw["name"])
        found.append(Live("runpod", "registry credential", raw["id"], name, mark))
    for raw in await account.templates.all(waiting):
        found.append(Live("runpod", "template", raw["id"], raw["name"], marks.of_environment(raw)))
    return found


async def modal(client: "ModalClient", environments: set[str]) -> list[Live]:
    """Apps that work, volumes and secrets of the environments that the stack is in."""
    from infra.modal.app_wire import live_module
    from infra.modal.deployment import MARK_TAG

    found = []
    for name in sorted(
        {await client.environment(environment or None) for environment in environments or {""}}
    ):
        apps = await client.rpc("AppList", "list apps", environment_name=name)
        for app in apps.apps:
            if app.state not in _APP_WORKS:
                continue
            tags = dict((await client.rpc("AppGetTags", f"read app {app.app_id}", app_id=app.app_id)).tags)
            facts: dict[str, Any] = {"tasks": app.n_running_tasks}
            if MARK_TAG in tags:
                history = await client.rpc(
                    "AppDeploymentHistory", f"read app {app.app_id}", app_id=app.app_id
                )
                facts["module"] = live_module(history, None)
            label = app.name or app.description
            found.append(Live("modal", "app", app.app_id, label, tags.get(MARK_TAG, ""), facts=facts))
        volumes = await client.rpc("VolumeList", "list volumes", environment_name=name)
        found += [
            Live("modal", "volume", one.volume_id, one.label, names=(one.label, f"{name}/{one.label}"))
            for one in volumes.items
        ]
        secrets = await client.rpc("SecretList", "list secrets", environment_name=name)
        for one in secrets.items:
            keys = (
                await client.rpc("SecretGetInfo", f"read secret {one.label}", secret_id=one.secret_id)
            ).metadata.keys
            mark = next((key.removeprefix(MARK_KEY) for key in keys if key.startswith(MARK_KEY)), "")
            mark = mark.lower().replace("_", "-")
            found.append(Live("modal", "secret", one.secret_id, one.label, mark, (one.label,)))
    return found


def usd_per_day(live: Live) -> Decimal | None:
    """What it costs a day with nothing to do, at the current price book; None where no price is known of it."""
    from infra.catalog import load
    from infra.spec.errors import PilotlightError

    catalog = load()
    book = catalog.prices()
    raw = live.facts.get("raw") or {}
    try:
        if live.kind == "endpoint":
            return _worker_hour(raw) * int(raw["workers"]["min"]) * 24
        if live.kind == "pod":
            is_on = raw.get("status") == "RUNNING"
            return Decimal(str(raw.get("cost") or 0)) * 24 if is_on else Decimal(0)
        if live.kind == "network volume":
            kind = "volume" if raw["size"] <= 1000 else "volume_over_1tb"
            return book.usd_per_gib_month("runpod", kind) * int(raw["size"]) * 24 / 730
    except (PilotlightError, KeyError, TypeError, ValueError):
        return None
    return None


def _worker_hour(raw: Mapping[str, Any]) -> Decimal:
    """At the dearest class that it may land on. Raises `PriceMissing`."""
    from infra.catalog import load
    from infra.catalog.model import squeeze
    from infra.planning.money import usd_per_worker_hour

    catalog = load()
    book = catalog.prices()
    gpu = raw.get("gpu") or {}
    barred = {squeeze(one) for one in gpu.get("excludedTypes") or []}
    offered = [one for pool in gpu.get("pools") or [] for one in catalog.runpod_pools.get(pool, ())]
    cards = [catalog.gpu_of_runpod_type(squeeze(one)) for one in offered if squeeze(one) not in barred]
    names = [card.name for card in cards if card is not None]
    if gpu.get("pools") and not names:
        raise ValueError("no class that the catalog knows")
    cpu = raw.get("cpu") or {}
    return usd_per_worker_hour(
        "runpod", names, catalog, book, count=gpu.get("count") or 1, vcpu=cpu.get("vcpuCount")
    )
