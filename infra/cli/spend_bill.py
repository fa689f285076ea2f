"""What the clouds have billed, as they say it themselves, by object."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from infra.cli.audit_stack import Clouds
from infra.runpod.client import Patience

if TYPE_CHECKING:
    from infra.modal.client import ModalClient
    from infra.runpod.account import Account

# /billing/endpoints of RunPod is the bill of public endpoints; the account's own are serverless.
_RUNPOD = {
    "/v2/billing/serverless": "serverlessId",
    "/v2/billing/pods": "podId",
    "/v2/billing/network-volumes": "networkVolumeId",
}
_MOST_HOURS = timedelta(days=31)


@dataclass
class Bill:
    """US dollars by object id since `start`. `until`: up to when each cloud's bill is complete."""

    start: datetime
    usd: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    until: dict[str, datetime] = field(default_factory=dict)


async def read(clouds: Clouds, start: datetime, now: datetime) -> Bill:
    """Whole hours: the one that `start` lies in is in full. Raises the clients' own errors."""
    bill = Bill(whole_hour(start))
    for account in clouds.runpod:
        await _runpod(account, bill, now)
    for client in clouds.modal:
        await _modal(client, bill, now)
    return bill


def whole_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


async def _runpod(account: "Account", bill: Bill, now: datetime) -> None:
    """The hour that is not over is in it as far as it has been billed."""
    size = "hour" if now - bill.start <= _MOST_HOURS else "day"
    usd: defaultdict[str, Decimal] = defaultdict(Decimal)
    for path, key in _RUNPOD.items():
        params = {"bucketSize": size, "startTime": _iso(bill.start), "endTime": _iso(now)}
        answer = await account.client.get(Patience(), path, "read the bill", params)
        for record in answer["records"]:
            usd[str(record.get(key) or "unknown")] += Decimal(str(record["totalAmount"]))
    _add(bill, usd)
    bill.until["runpod"] = now


async def _modal(client: "ModalClient", bill: Bill, now: datetime) -> None:
    """Modal reports an hour when it is over."""
    end = whole_hour(now)
    bill.until["modal"] = max(end, bill.start)
    if end <= bill.start:
        return
    await client.open()
    with client.doing("read the billing report"):
        workspace = client.api.Workspace.from_context(client=client.handle)
        items = await workspace.billing.report.aio(start=bill.start, end=end, resolution="h")
    usd: defaultdict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        usd[str(item.object_id)] += Decimal(item.cost)
    _add(bill, usd)


def _add(bill: Bill, usd: dict[str, Decimal]) -> None:
    """Two providers of one account read the same bill, which is to be paid once."""
    for id, amount in usd.items():
        bill.usd[id] = max(bill.usd[id], amount)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
