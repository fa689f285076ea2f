"""An S3-compatible object store: boto3 in threads, one bounded retry policy, errors that say what to do.

boto3's own retries are off: ours sleep on the event loop, so that a cancelled `pulumi up` stops at once.
"""

import asyncio
import copy
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from infra.spec.errors import PilotlightError

Sleep = Callable[[float], Awaitable[None]]
ATTEMPTS = 5
FIRST_DELAY_S = 0.25
_TRANSIENT = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
}
_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
}
_GIVE_CREDENTIALS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `pulumi config set pilotlight-artifacts:accessKeyId` and "
    "`pulumi config set --secret pilotlight-artifacts:secretAccessKey`."
)


class StoreError(PilotlightError):
    """The object store refused a call. `code` is its error code, `status` the HTTP status (0 = no answer)."""

    def __init__(
        self, what: str, *, code: str = "", status: int = 0, wanted: str = "", fix: str = ""
    ) -> None:
        super().__init__(what, wanted=wanted, fix=fix)
        self.code = code
        self.status = status


class StoreUnreachable(StoreError):
    """No answer after every attempt. What was sent so far is kept; the next `pulumi up` goes on from there."""


@dataclass(frozen=True)
class StoreSettings:
    """Where the store is and who we are there. None = what boto3 finds by itself."""

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    local: bool = False

    def __repr__(self) -> str:
        return f"StoreSettings(endpoint={self.endpoint!r}, region={self.region!r})"


@dataclass(frozen=True)
class Head:
    size: int
    etag: str


class ObjectStore:
    """The calls that this provider needs. Every method raises `StoreError` or `StoreUnreachable`."""

    def __init__(self, settings: StoreSettings, sleep: Sleep = asyncio.sleep) -> None:
        self.settings = settings
        self._sleep = sleep
        self._clients: dict[str | None, Any] = {}
        self._making = threading.Lock()

    def sleeping(self, sleep: Sleep) -> "ObjectStore":
        """The same store, waiting with another clock."""
        other = copy.copy(self)
        other._sleep = sleep
        return other

    async def call(self, method: str, *, in_region: str | None = None, **arguments: Any) -> Any:
        """One boto3 call, repeated while the fault looks transient."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await asyncio.to_thread(self._call, method, in_region, arguments)
            except StoreError as error:
                if attempt == ATTEMPTS or not _transient(error):
                    raise
            await self._sleep(FIRST_DELAY_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
        raise AssertionError("unreachable")

    async def bucket_region(self, bucket: str) -> str | None:
        """The region of a bucket that we may see ("" where the store does not say); None if there is none."""
        try:
            answer = await self.call("head_bucket", Bucket=bucket)
        except StoreError as error:
            if error.status == 404:
                return None
            if error.status == 403:
                # The answer to HEAD has no body; a listing says whether it is the key or the right that is wrong.
                await self.call("list_objects_v2", Bucket=bucket, MaxKeys=1)
            raise
        region = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get(
            "x-amz-bucket-region"
        )
        return str(region or "")

    async def head(self, bucket: str, key: str) -> Head | None:
        try:
            answer = await self.call("head_object", Bucket=bucket, Key=key)
        except StoreError as error:
            if error.status == 404:
                return None
            raise
        return Head(int(answer["ContentLength"]), str(answer.get("ETag", "")))

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A small object's bytes; None if it or its bucket is not there."""
        try:
            return bytes(await self.call("get_object", Bucket=bucket, Key=key))
        except StoreError as error:
            if error.status == 404:
                return None
            raise

    async def put(
        self, bucket: str, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        await self.call("put_object", Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    async def delete(self, bucket: str, key: str) -> None:
        """A missing object counts as deleted."""
        try:
            await self.call("delete_object", Bucket=bucket, Key=key)
        except StoreError as error:
            if error.status != 404:
                raise

    async def pages(self, bucket: str, prefix: str = "") -> AsyncIterator[list[str]]:
        """The keys below a prefix, a page of at most 1000 at a time. Keys deleted meanwhile are no trouble."""
        token: dict[str, str] = {}
        while True:
            answer = await self.call("list_objects_v2", Bucket=bucket, Prefix=prefix, **token)
            keys = [str(item["Key"]) for item in answer.get("Contents", [])]
            if keys:
                yield keys
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    def _call(self, method: str, region: str | None, arguments: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = getattr(self._client(region), method)(**arguments)
            return answer["Body"].read() if method == "get_object" else answer
        except ClientError as error:
            raise self._refused(method, arguments, error) from None
        except BotoCoreError as error:
            raise self._failed(method, arguments, error) from None

    def _client(self, region: str | None) -> Any:
        with self._making:
            if region not in self._clients:
                self._clients[region] = _make_client(self.settings, region)
            return self._clients[region]

    def _refused(self, method: str, arguments: dict[str, Any], error: Any) -> StoreError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        text = error.response.get("Error", {}).get("Message", "")
        where = f"{_place(arguments)} at {self._where()}"
        if code in _CREDENTIALS:
            return StoreError(
                f"the object store does not accept these credentials for {where}: {code} ({status})",
                code=code, status=status, fix=_GIVE_CREDENTIALS,
            )  # fmt: skip
        if status == 403:
            return StoreError(
                f"the object store forbids {method} on {where} ({code or 403})",
                code=code, status=status, wanted="credentials with rights to this bucket", fix=_GIVE_CREDENTIALS,
            )  # fmt: skip
        return StoreError(
            f"{method} on {where} failed: {code} ({status}) {text}".rstrip(), code=code, status=status
        )

    def _failed(self, method: str, arguments: dict[str, Any], error: Any) -> StoreError:
        name = type(error).__name__
        if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
            return StoreError("no credentials for the object store", code=name, fix=_GIVE_CREDENTIALS)
        if name in ("ParamValidationError", "InvalidRegionError", "NoRegionError"):
            return StoreError(f"{method} on {_place(arguments)}: {error}", code=name)
        return StoreUnreachable(
            f"the object store at {self._where()} does not answer ({name})",
            code=name,
            fix="See that it is up and reachable, then run `pulumi up` again: it goes on where it stopped.",
        )

    def _where(self) -> str:
        return self.settings.endpoint or "AWS S3"


def _transient(error: StoreError) -> bool:
    return (
        isinstance(error, StoreUnreachable)
        or error.status in (429, 500, 502, 503, 504)
        or error.code in _TRANSIENT
    )


def _place(arguments: dict[str, Any]) -> str:
    key = arguments.get("Key")
    return f"s3://{arguments.get('Bucket', '')}" + (f"/{key}" if key else "")


def _make_client(settings: StoreSettings, region: str | None) -> Any:
    """Own stores get path addressing; the local one never goes through a proxy.

    No checksum headers: not every store takes them, and S3 would want them again for every part at the end. What is
    sent is checked by its own hash, and by its size in the store.
    """
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {
        "signature_version": "s3v4",
        "retries": {"total_max_attempts": 1},
        "connect_timeout": 10,
        "read_timeout": 120,
        "max_pool_connections": 16,
        "tcp_keepalive": True,
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        # The default over https; over http boto3 would hash every byte once more, to sign it.
        "s3": {"payload_signing_enabled": False},
    }
    if settings.endpoint is not None:
        options["s3"]["addressing_style"] = "path"
    if settings.local:
        options["proxies"] = {}
    session = boto3.session.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        region_name=region or settings.region or (None if settings.endpoint is None else "us-east-1"),
    )
    return session.client("s3", endpoint_url=settings.endpoint, config=Config(**options))
