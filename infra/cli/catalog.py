"""`pilotlight catalog show | check`: the facts that plans and rules go by, and whether the clouds still charge the same."""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.catalog import Catalog

SUBJECTS = ("gpus", "prices", "cold-starts", "capabilities", "alternatives")


class CatalogError(PilotlightError):
    """There is nothing to compare with."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser("catalog", help="the dated facts behind plans and rules: show, check")
    commands = parser.add_subparsers(dest="what", required=True, metavar="show|check")
    show = commands.add_parser("show", help="print facts with source and date")
    show.add_argument("subject", choices=SUBJECTS)
    show.add_argument("--json", action="store_true", help="print JSON")
    check = commands.add_parser(
        "check",
        help="compare the prices with what the clouds charge today",
        epilog="Exit codes: 0 all the same, 3 a price differs or the book is old, 1 an error. Reads RUNPOD_API_KEY and "
        "MODAL_TOKEN_ID with MODAL_TOKEN_SECRET; a cloud without credentials is left out, and that is said.",
    )
    check.add_argument("--local", action="store_true", help="compare with the local cloud instead")
    check.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from infra.catalog import load

    return _show(load(), args) if args.what == "show" else _check(load(), args)


def _show(catalog: "Catalog", args: argparse.Namespace) -> int:
    rows = list(_ROWS[args.subject](catalog))
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        print(table(rows))
    return 0


def _check(catalog: "Catalog", args: argparse.Namespace) -> int:
    from infra.cli.catalog_check import compare

    found = compare(catalog, local=args.local, today=datetime.now(tz=UTC).date())
    if args.json:
        print(json.dumps(found.as_data(), indent=2))
    else:
        print(found.as_text())
    return 0 if found.agrees else 3


def table(rows: list[dict[str, str]]) -> str:
    """Aligned columns under their names."""
    if not rows:
        return "nothing"
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    lines = [{name: name for name in names}, *rows]
    return "\n".join("  ".join(row[name].ljust(widths[name]) for name in names).rstrip() for row in lines)


def _gpus(catalog: "Catalog") -> Iterator[dict[str, str]]:
    for gpu in catalog.gpus.values():
        card = catalog.hardware(gpu.name)
        yield {
            "class": gpu.name,
            "vram": f"{gpu.vram_gib} GiB",
            "bandwidth": f"{card.bandwidth_gb_s:,.0f} GB/s" if card else "",
            "modal": gpu.modal_id or f"- ({gpu.modal_reason})",
            "runpod pool": gpu.runpod_pool or f"- ({gpu.runpod_reason})",
        }


def _prices(catalog: "Catalog") -> Iterator[dict[str, str]]:
    book = catalog.prices()
    for cloud, kind in book.kinds():
        for name in book.gpus(cloud, kind):
            price = book.gpu(cloud, name, kind)
            yield {
                "what": name,
                "cloud": cloud,
                "kind": kind,
                "usd": f"{price.usd.normalize():f}",
                "unit": price.unit,
                "source": price.source,
                "date": price.date,
            }


def _cold_starts(catalog: "Catalog") -> Iterator[dict[str, str]]:
    for fact in catalog.observed_cold_starts:
        low, high = fact["range_s"]
        yield {
            "cloud": fact["cloud"],
            "what": fact["what"],
            "seconds": f"{low:g} to {high:g}",
            "source": fact["source"],
            "date": fact["date"],
        }


def _capabilities(catalog: "Catalog") -> Iterator[dict[str, str]]:
    for found in catalog.capabilities.values():
        yield {
            "cloud": found.cloud,
            "feature": found.feature,
            "supported": "yes" if found.supported else "no",
            "how or why not": found.how or f"{found.reason}. Instead: {found.alternative}",
        }


def _alternatives(catalog: "Catalog") -> Iterator[dict[str, str]]:
    for other in catalog.alternatives:
        yield {
            "name": other.name,
            "good for": other.good_for,
            "watch": other.watch,
            "price": other.usd_per_gpu_hour or "no sourced price",
            "source": other.source,
        }


_ROWS = {
    "gpus": _gpus,
    "prices": _prices,
    "cold-starts": _cold_starts,
    "capabilities": _capabilities,
    "alternatives": _alternatives,
}
