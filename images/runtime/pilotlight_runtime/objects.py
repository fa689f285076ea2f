"""Read objects over S3's protocol with the standard library: ranges, bounded retries, errors in words."""

import http.client
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from .errors import StartError
from .sigv4 import Credentials, sign

CHUNK_BYTES = 1 << 20
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_REFUSED = {
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "the store does not know AWS_ACCESS_KEY_ID",
    "XAdminUserNotFound": "the store does not know AWS_ACCESS_KEY_ID",  # versitygw's word, with status 404
    "RequestTimeTooSkewed": "this machine's clock is too far from the store's",
    "ExpiredToken": "AWS_SESSION_TOKEN has expired",
}

Sink = Callable[[int, memoryview], object]


class _Passing(Exception):
    """A failure that may pass; `after_s` is what the server asked to wait."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


@dataclass(frozen=True)
class _Wanted:
    """Bytes [start, stop) of an object; `stop` None = all of an object that has at most `limit` bytes."""

    bucket: str
    key: str
    start: int = 0
    stop: int | None = None
    limit: int = 0

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Store:
    """One object store. Safe to use from several threads: each keeps a connection of its own.

    `attempts` bounds the tries without progress of one read; a read that broke off goes on where it stopped.
    """

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        *,
        attempts: int = 6,
        timeout_s: float = 30.0,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise StartError(
                f"AWS_ENDPOINT_URL_S3 is {endpoint!r}; wanted http://host[:port] or https://host[:port]"
            )
        self._https, self._host, self._port, self._netloc = (
            url.scheme == "https",
            url.hostname,
            url.port,
            url.netloc,
        )
        self._prefix = url.path.rstrip("/")
        self._credentials = credentials
        self._attempts, self._timeout_s, self._sleep, self._now = attempts, timeout_s, sleep, now
        self._local = threading.local()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Store":
        """The store that the standard AWS variables name. Raises StartError naming those that lack."""
        missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not env.get(name)]
        if missing:
            raise StartError(
                f"the weights' store needs credentials: {' and '.join(missing)} not set. "
                "Set them in the endpoint's environment, as secrets"
            )
        region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = (
            env.get("AWS_ENDPOINT_URL_S3")
            or env.get("AWS_ENDPOINT_URL")
            or f"https://s3.{region}.amazonaws.com"
        )
        key, secret = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        return cls(endpoint, Credentials(key, secret, region, env.get("AWS_SESSION_TOKEN", "")))

    def read(self, bucket: str, key: str, limit: int) -> bytes:
        """A whole small object, at most `limit` bytes."""
        data = bytearray()

        def put(offset: int, chunk: memoryview) -> None:
            del data[offset:]
            data.extend(chunk)

        self._persist(_Wanted(bucket, key, limit=limit), put)
        return bytes(data)

    def read_range(self, bucket: str, key: str, start: int, stop: int, sink: Sink) -> None:
        """Bytes [start, stop) to `sink(offset, chunk)`, in order. A chunk is only valid during the call."""
        self._persist(_Wanted(bucket, key, start, stop), sink)

    def _persist(self, wanted: _Wanted, sink: Sink) -> None:
        position, failures = wanted.start, 0
        while True:
            if wanted.stop is None:
                position = wanted.start
            try:
                for chunk in self._chunks(wanted, position):
                    sink(position, chunk)
                    position += len(chunk)
                    failures = 0
                return
            except _Passing as error:
                failures += 1
                if failures >= self._attempts:
                    raise StartError(
                        f"cannot read {wanted} from {self._netloc} after {failures} tries: {error}. "
                        "Check that the store is up and that AWS_ENDPOINT_URL_S3 is right"
                    ) from None
                pause = min(0.2 * 2**failures, 5.0) * random.uniform(0.5, 1.0)
                self._sleep(max(pause, min(error.after_s, 20.0)))

    def _chunks(self, wanted: _Wanted, start: int) -> Iterator[memoryview]:
        whole = False
        try:
            response = self._send(wanted, start)
            length = self._length(response, wanted, start)
            buffer = memoryview(bytearray(min(CHUNK_BYTES, max(length, 1))))
            while length:
                got = response.readinto(buffer[: min(len(buffer), length)])
                if not got:
                    raise _Passing("the connection broke off")
                length -= got
                yield buffer[:got]
            response.read()  # frees the connection for the next request
            whole = True
        except TimeoutError:
            raise _Passing(f"no answer within {self._timeout_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise StartError(
                f"{self._netloc}: its certificate is not valid: {error.verify_message}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(str(error) or type(error).__name__) from None
        finally:
            if not whole:
                self._drop()

    def _send(self, wanted: _Wanted, start: int) -> http.client.HTTPResponse:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
            connection = self._local.connection = kind(self._host, self._port, timeout=self._timeout_s)
        path = f"{self._prefix}/{quote(wanted.bucket)}/{quote(wanted.key, safe='/-_.~')}"
        headers = {} if wanted.stop is None else {"Range": f"bytes={start}-{wanted.stop - 1}"}
        signed = sign("GET", self._netloc, path, headers, self._credentials, self._now())
        connection.request("GET", path, headers=signed)
        return connection.getresponse()

    def _drop(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _length(self, response: http.client.HTTPResponse, wanted: _Wanted, start: int) -> int:
        """How many bytes the body has, having checked that they are the ones asked for."""
        if response.status not in (200, 206, 416):
            raise self._refusal(response, wanted)
        length = response.length
        if length is None:
            raise StartError(f"{self._netloc} does not say how long {wanted} is; wanted a Content-Length")
        if wanted.stop is None:
            if length > wanted.limit:
                raise StartError(f"{wanted} has {length} bytes; wanted at most {wanted.limit}")
            return length
        answers = response.status == 206 or (response.status == 200 and start == 0)
        if not answers or length != wanted.stop - start:
            raise StartError(
                f"{wanted}: asked for bytes {start} to {wanted.stop - 1}, got {length} with status {response.status}. "
                "The object has not the size that its manifest states: stage the weights again"
            )
        return length

    def _refusal(self, response: http.client.HTTPResponse, wanted: _Wanted) -> Exception:
        body = response.read(64 * 1024)
        found = re.search(rb"<Code>(\w+)</Code>", body)
        code, status = found.group(1).decode() if found else "", response.status
        answer = f"status {status} {code}".rstrip()
        if status in _PASSING:
            after = response.headers.get("Retry-After", "")
            return _Passing(answer, float(after) if after.isdigit() else 0.0)
        if code in _REFUSED or status in (401, 403):
            why = _REFUSED.get(code, "these credentials may not read it")
            return StartError(f"{self._netloc} refused {wanted} ({answer}): {why}")
        if status == 404:
            what = (
                f"bucket {wanted.bucket!r} does not exist"
                if code == "NoSuchBucket"
                else f"{wanted} does not exist"
            )
            return StartError(
                f"{what} in {self._netloc}. Stage the weights again: pulumi refresh, then pulumi up"
            )
        region = response.headers.get("x-amz-bucket-region")
        if region and region != self._credentials.region:
            return StartError(
                f"bucket {wanted.bucket!r} is in {region}, but AWS_REGION is {self._credentials.region}"
            )
        return StartError(f"{self._netloc} answered {wanted} with {answer}")
