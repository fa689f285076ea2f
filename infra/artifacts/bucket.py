"""`pilotlight-artifacts:index:Bucket`: a bucket in S3, or in a store that speaks S3 such as Cloudflare R2."""

import re
from enum import Enum
from typing import Any

from infra.artifacts.client import Client, cache_dir
from infra.artifacts.intents import Intents
from infra.artifacts.store import ObjectStore, StoreError
from infra.artifacts.tasks import together
from infra.kit import (
    UNKNOWN,
    Change,
    CheckContext,
    Context,
    Created,
    Failure,
    InTheWay,
    Model,
    Resource,
    prop,
)
from infra.spec.errors import PilotlightError

MARK_KEY = ".pilotlight/mark"
"""An object and not a bucket tag: R2 and self-hosted stores have no bucket tags."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_AT_ONCE = 1000


class BucketTaken(PilotlightError):
    """The name belongs to another account."""


class BucketNotEmpty(PilotlightError):
    """Refuses to delete what a bucket holds."""


class BucketKind(Enum):
    """The object storage behind the bucket."""

    S3 = "s3"
    R2 = "r2"


class BucketInputs(Model):
    """A bucket."""

    name: str | None = prop(
        change=Change.REPLACE, auto_name=True, desc="The bucket's name: 3 to 63 of a-z, 0-9, '-' and '.'."
    )
    kind: BucketKind = prop(
        BucketKind.S3,
        change=Change.REPLACE,
        desc="The store: `s3`, or `r2` (then the provider's `s3Endpoint` is the account's R2 address).",
    )
    region: str | None = prop(
        change=Change.REPLACE,
        server_default=True,
        desc="Where the bucket lies; default: the provider's region.",
    )
    force_destroy: bool = prop(False, desc="Whether destroying may delete a bucket that still holds objects.")


class BucketState(BucketInputs):
    """A bucket as it is."""

    uri: str = prop("", desc="`s3://<name>`.")


class Bucket(Resource[Client, BucketInputs, BucketState]):
    """A bucket for weights."""

    Inputs = BucketInputs
    State = BucketState

    def check(self, ctx: CheckContext, inputs: BucketInputs) -> list[Failure]:
        name = inputs.name
        if not ctx.known(name) or name is None:
            return []
        if _NAME.fullmatch(name) and ".." not in name and not re.fullmatch(r"[\d.]+", name):
            return []
        return [
            Failure(
                "name", f"{name!r} is no bucket name. Wanted: 3 to 63 of a-z, 0-9, '-' and '.', no address"
            )
        ]

    def preview(self, ctx: CheckContext, inputs: BucketInputs, old: BucketState | None) -> dict[str, Any]:
        return {"uri": UNKNOWN if not ctx.known(inputs.name) else f"s3://{inputs.name}"}

    async def find(self, ctx: Context[Client], inputs: BucketInputs) -> str | None:
        store, name = _store(ctx), _name(inputs)
        try:
            if await store.bucket_region(name) is None:
                return None
        except StoreError as error:
            raise (_taken(name) if error.code in ("403", "Forbidden", "AccessDenied") else error) from None
        found = await store.get(name, MARK_KEY)
        if found == _mark(ctx) or (found is None and await _left_by_us(ctx, store, name)):
            return name
        raise InTheWay(name, f"bucket {name} exists and is not this resource's")

    async def create(self, ctx: Context[Client], inputs: BucketInputs) -> Created[BucketState]:
        store, name = _store(ctx), _name(inputs)
        if inputs.kind is BucketKind.R2 and store.settings.endpoint is None:
            raise BucketTaken(
                f"bucket {name} is of kind r2, but the provider has no address of a store",
                fix="Set AWS_ENDPOINT_URL_S3, or `pulumi config set pilotlight-artifacts:s3Endpoint "
                "https://<account>.r2.cloudflarestorage.com`.",
            )
        intents = _intents(ctx)
        intents.note(str(ctx.mark), name)
        try:
            await store.call(
                "create_bucket", Bucket=name, **_location(inputs.region or store.settings.region, inputs)
            )
        except StoreError as error:
            if error.code == "BucketAlreadyOwnedByYou":
                raise InTheWay(name, f"bucket {name} exists and is not this resource's") from None
            raise _taken(name) if error.code == "BucketAlreadyExists" else error from None
        ctx.created(name, _state(name, inputs, inputs.region or ""))
        await store.put(name, MARK_KEY, _mark(ctx), "text/plain")
        intents.done(str(ctx.mark))
        return Created(name, _state(name, inputs, await store.bucket_region(name) or ""))

    async def read(self, ctx: Context[Client], id: str, old: BucketState | None) -> BucketState | None:
        store = _store(ctx)
        region = await store.bucket_region(id)
        if region is None:
            return None
        is_r2 = "r2.cloudflarestorage.com" in (store.settings.endpoint or "")
        return BucketState(
            name=id,
            kind=old.kind if old is not None else BucketKind.R2 if is_r2 else BucketKind.S3,
            region=region or (old.region if old is not None else None),
            force_destroy=old.force_destroy if old is not None else False,
            uri=f"s3://{id}",
        )

    async def update(self, ctx: Context[Client], id: str, old: BucketState, new: BucketInputs) -> BucketState:
        store = _store(ctx)
        if await store.get(id, MARK_KEY) != _mark(ctx):
            await store.put(id, MARK_KEY, _mark(ctx), "text/plain")
        _intents(ctx).done(str(ctx.mark))
        return _state(id, new, await store.bucket_region(id) or "")

    async def delete(self, ctx: Context[Client], id: str, old: BucketState) -> None:
        store = _store(ctx)
        if await store.bucket_region(id) is None:
            return
        if not old.force_destroy:
            await _refuse_objects(store, id)
        await _empty(ctx, store, id)
        try:
            await store.call("delete_bucket", Bucket=id)
        except StoreError as error:
            if error.status == 404:
                return
            if error.code != "BucketNotEmpty":
                raise
            raise BucketNotEmpty(
                f"bucket {id} is not empty although it lists no object: it holds older versions",
                fix="Remove the old versions in the store's console, then run this again.",
            ) from None


def _store(ctx: Context[Client]) -> ObjectStore:
    return ctx.client.store.sleeping(ctx.sleep)


def _intents(ctx: Context[Client]) -> Intents:
    return Intents(cache_dir(ctx.root, "intents"))


def _name(inputs: BucketInputs) -> str:
    assert inputs.name is not None
    return inputs.name


def _mark(ctx: Context[Client]) -> bytes:
    return str(ctx.mark).encode()


def _state(name: str, inputs: BucketInputs, region: str) -> BucketState:
    given = inputs.model_dump(include=set(BucketInputs.model_fields))
    return BucketState(**{**given, "name": name, "region": region or inputs.region, "uri": f"s3://{name}"})


def _location(region: str | None, inputs: BucketInputs) -> dict[str, Any]:
    if inputs.kind is BucketKind.R2 or region in (None, "", "us-east-1", "auto"):
        return {}
    return {"in_region": region, "CreateBucketConfiguration": {"LocationConstraint": region}}


def _taken(name: str) -> BucketTaken:
    return BucketTaken(
        f"the bucket name {name} is taken by someone else, or these credentials may not see it",
        wanted="a name that is free in the whole store",
        fix="Give another `name`, or leave it out: then one is made.",
    )


async def _left_by_us(ctx: Context[Client], store: ObjectStore, name: str) -> bool:
    if not _intents(ctx).has(str(ctx.mark), name):
        return False
    async for _ in store.pages(name):
        return False
    return True


async def _refuse_objects(store: ObjectStore, name: str) -> None:
    count = 0
    async for keys in store.pages(name):
        count += sum(key != MARK_KEY for key in keys)
    if count:
        raise BucketNotEmpty(
            f"bucket {name} still holds {count} objects",
            wanted="an empty bucket",
            fix="Set `forceDestroy` (force_destroy=True) and run `pulumi up` before destroying, or empty it yourself.",
        )


async def _empty(ctx: Context[Client], store: ObjectStore, name: str) -> None:
    gone = 0
    async for keys in store.pages(name):
        await _delete_page(store, name, keys)
        gone += len(keys)
        ctx.status(f"emptying: {gone} objects deleted")
    answer = await store.call("list_multipart_uploads", Bucket=name)
    for upload in answer.get("Uploads", []):
        await store.call(
            "abort_multipart_upload", Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"]
        )


async def _delete_page(store: ObjectStore, name: str, keys: list[str]) -> None:
    """All at once, else one by one: not every store offers the bulk call, and it reports per key."""
    try:
        objects = [{"Key": key} for key in keys]
        answer = await store.call("delete_objects", Bucket=name, Delete={"Objects": objects, "Quiet": True})
        keys = [str(error["Key"]) for error in answer.get("Errors", [])]
    except StoreError as error:
        if error.status not in (400, 405, 501):
            raise
    await together(store.delete(name, key) for key in keys)
