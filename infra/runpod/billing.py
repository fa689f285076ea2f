"""`getBilling`: what RunPod has charged, by time bucket."""

from enum import Enum
from typing import ClassVar

from infra.kit import Function, InvokeContext, Model, prop
from infra.runpod.account import Account
from infra.runpod.client import Patience
from infra.runpod.errors import Rejected


class BilledFor(Enum):
    EVERYTHING = "EVERYTHING"
    SERVERLESS = "SERVERLESS"
    PODS = "PODS"
    NETWORK_VOLUMES = "NETWORK_VOLUMES"


class Bucket(Enum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


# RunPod's /billing/endpoints is the bill of public endpoints; the account's own are under /billing/serverless.
_ROUTES = {
    BilledFor.EVERYTHING: ("/v2/billing", ""),
    BilledFor.SERVERLESS: ("/v2/billing/serverless", "serverlessId"),
    BilledFor.PODS: ("/v2/billing/pods", "podId"),
    BilledFor.NETWORK_VOLUMES: ("/v2/billing/network-volumes", "networkVolumeId"),
}


class BillingArgs(Model):
    of: BilledFor = prop(BilledFor.EVERYTHING, desc="What was paid for.")
    id: str | None = prop(None, desc="Only this endpoint, pod or network volume.")
    bucket: Bucket = prop(Bucket.DAY, desc="Length of a time bucket.")
    last: int | None = prop(None, desc="The most recent buckets, this many; or startTime and endTime.")
    start_time: str | None = prop(None, desc="ISO 8601.")
    end_time: str | None = prop(None, desc="ISO 8601.")


class BillingRecord(Model):
    start_time: str = prop(desc="ISO 8601.")
    end_time: str = prop(desc="ISO 8601.")
    id: str | None = prop(None, desc="The endpoint, pod or network volume.")
    total_usd: float = prop(desc="All of it.")
    amounts_usd: dict[str, float] = prop({}, desc="Its parts, by RunPod's names for them.")


class Billing(Model):
    records: list[BillingRecord] = prop(desc="By time, and for one kind by object.")
    total_usd: float = prop(desc="Over all records.")


class GetBilling(Function[Account]):
    Args: ClassVar = BillingArgs
    Result: ClassVar = Billing
    desc: ClassVar = "What RunPod has charged, by time bucket."

    async def call(self, ctx: InvokeContext[Account], args: BillingArgs) -> Billing:
        path, key = _ROUTES[args.of]
        if args.id is not None and not key:
            raise Rejected(
                "`id` is given, and `of` is EVERYTHING",
                fix="set `of` to SERVERLESS, PODS or NETWORK_VOLUMES",
            )
        params = {"bucketSize": args.bucket.value}
        for name, value in (
            (key, args.id),
            ("lastN", args.last),
            ("startTime", args.start_time),
            ("endTime", args.end_time),
        ):
            if value is not None:
                params[name] = str(value)
        answer = await ctx.client.client.get(Patience(say=ctx.status), path, "read the bill", params)
        records = [
            BillingRecord(
                start_time=raw["startTime"],
                end_time=raw["endTime"],
                id=raw.get(key) if key else None,
                total_usd=raw["totalAmount"],
                amounts_usd={name: value for name, value in raw.items() if name.endswith("Amount")},
            )
            for raw in answer["records"]
        ]
        return Billing(records=records, total_usd=answer["metadata"]["totals"]["totalAmount"])
