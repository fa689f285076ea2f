"""The price book beside what the clouds say that they charge. The comparison is pure; asking is at the bottom."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.catalog import Catalog, PriceBook
from infra.catalog.model import squeeze
from infra.cli.catalog import CatalogError, table

OLD_DAYS = 30
_ROUNDING = Decimal("0.01")  # a cloud that prices by the second shows the hour in cents


@dataclass(frozen=True)
class Row:
    """One price: what the book says and what the cloud says, in US dollars an hour."""

    cloud: str
    kind: str
    what: str
    book: Decimal | None
    live: Decimal | None

    @property
    def state(self) -> str:
        if self.book is None:
            return "not in the book"
        if self.live is None:
            return "not offered"
        if abs(self.book - self.live) <= self.book * _ROUNDING:
            return "same"
        return f"{(self.live / self.book - 1) * 100:+.1f} %"


@dataclass
class Comparison:
    """All rows, clouds that were left out with the reason, and the age of the book."""

    book: str
    age_days: int
    rows: list[Row] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        moved = any(
            row.book is not None and row.live is not None and row.state != "same" for row in self.rows
        )
        return not moved and self.age_days <= OLD_DAYS

    def as_data(self) -> dict[str, Any]:
        return {
            "version": 1,
            "book": self.book,
            "ageDays": self.age_days,
            "agrees": self.agrees,
            "leftOut": self.left_out,
            "prices": [
                {
                    "cloud": row.cloud,
                    "kind": row.kind,
                    "what": row.what,
                    "book": None if row.book is None else str(row.book),
                    "live": None if row.live is None else str(row.live),
                    "state": row.state,
                }
                for row in self.rows
            ],
        }

    def as_text(self) -> str:
        rows = [
            {
                "cloud": row.cloud,
                "kind": row.kind,
                "what": row.what,
                "book": _usd(row.book),
                "live": _usd(row.live),
                "": row.state,
            }
            for row in self.rows
        ]
        old = f": older than {OLD_DAYS} days, look again" if self.age_days > OLD_DAYS else ""
        lines = [f"price book {self.book}, {self.age_days} days old{old}"]
        lines += [f"{cloud} is left out: {why}" for cloud, why in self.left_out.items()]
        return "\n".join([*lines, table(rows)] if rows else lines)


def compare(catalog: Catalog, *, local: bool, today: date) -> Comparison:
    """Ask each cloud for which there are credentials. Raises `CatalogError` when there are none at all."""
    book = catalog.prices()
    found = Comparison(book.name, book.age_days(today))
    asked = asyncio.run(_ask(local, found.left_out))
    if not asked:
        reasons = "; ".join(f"{cloud}: {why}" for cloud, why in found.left_out.items())
        raise CatalogError(f"no cloud can be asked: {reasons}", fix="set the credentials, or pass --local")
    if "runpod" in asked:
        found.rows += runpod_rows(catalog, book, asked["runpod"])
    if "modal" in asked:
        found.rows += modal_rows(catalog, book, asked["modal"])
    return found


def runpod_rows(catalog: Catalog, book: PriceBook, gpus: list[Mapping[str, Any]]) -> list[Row]:
    """From `GET /v2/catalog/gpus`. Cards of one class may differ: the dearest stands for it, as in a plan."""
    live: dict[tuple[str, str], Decimal] = {}
    for raw in gpus:
        gpu = catalog.gpu_of_runpod_type(squeeze(str(raw["id"])))
        if gpu is None:
            continue
        for kind, key in (
            ("serverless", "serverless"),
            ("pod_secure", "secure"),
            ("pod_community", "community"),
        ):
            amount = (raw.get("price") or {}).get(key)
            if amount:
                at = (kind, gpu.name)
                live[at] = max(live.get(at, Decimal(0)), Decimal(str(amount)))
    ours = {
        (kind, name): book.usd_per_gpu_hour("runpod", name, kind)
        for cloud, kind in book.kinds()
        if cloud == "runpod"
        for name in book.gpus("runpod", kind)
    }
    narrow = {name for _, name in live}  # a wider class of the book (H100) has no card of its own here
    keys = sorted({key for key in ours if key[1] in narrow} | live.keys())
    return [Row("runpod", kind, name, ours.get((kind, name)), live.get((kind, name))) for kind, name in keys]


def modal_rows(catalog: Catalog, book: PriceBook, rates: Mapping[str, str]) -> list[Row]:
    """From the workspace's billing rates, by the names that they have there; a name that says nothing to us is a row, too."""
    ours = {"cpucore": book.usd_per_core_hour("modal"), "memorygib": book.usd_per_gib_hour("modal")}
    for name in book.gpus("modal"):
        ours[_plain(f"GPU {catalog.gpu(name).modal_id or name}")] = book.usd_per_gpu_hour("modal", name)
    return [
        Row("modal", "serverless", name, ours.get(_plain(name)), Decimal(usd))
        for name, usd in sorted(rates.items())
    ]


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum() or char == "!")


def _usd(amount: Decimal | None) -> str:
    return "-" if amount is None else f"${amount.quantize(Decimal('0.0001')).normalize():f}"


async def _ask(local: bool, left_out: dict[str, str]) -> dict[str, Any]:
    from infra.runpod.client import DEFAULT_BASE_URL

    runpod = (os.environ.get("RUNPOD_API_KEY"), os.environ.get("RUNPOD_API_BASE_URL", DEFAULT_BASE_URL))
    modal = (
        os.environ.get("MODAL_SERVER_URL", "https://api.modal.com"),
        os.environ.get("MODAL_TOKEN_ID"),
        os.environ.get("MODAL_TOKEN_SECRET"),
    )
    if local:
        from infra.kit.local import find_root, read_cloud

        cloud = read_cloud(find_root())
        if cloud is None:
            raise CatalogError("the local cloud does not run", fix="run `pilotlight cloud up`")
        runpod = (cloud.runpod_api_key, cloud.url)
        modal = (
            (cloud.modal.server_url, cloud.modal.token_id, cloud.modal.token_secret)
            if cloud.modal
            else ("", None, None)
        )
    answers: dict[str, Any] = {}
    if runpod[0]:
        answers["runpod"] = await _runpod(runpod[0], runpod[1])
    else:
        left_out["runpod"] = "RUNPOD_API_KEY is not set"
    if modal[1] and modal[2]:
        answers["modal"] = await _modal(modal[0], modal[1], modal[2])
    else:
        left_out["modal"] = "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET are not set"
    return answers


async def _runpod(key: str, base_url: str) -> list[Mapping[str, Any]]:
    from infra.runpod.client import Patience, RunPodClient

    answer = await RunPodClient(key, base_url).get(Patience(), "/v2/catalog/gpus", "list GPU types")
    found: list[Mapping[str, Any]] = answer["gpus"]
    return found


async def _modal(server_url: str, token_id: str, token_secret: str) -> Mapping[str, str]:
    from infra.modal.client import Access, ModalClient

    access = Access(server_url, token_id, token_secret, "the environment")
    client = ModalClient(access, environment=None, root=Path.cwd())
    answer = await client.rpc("WorkspaceBillingRates", "read the billing rates")
    return dict(answer.rates)
