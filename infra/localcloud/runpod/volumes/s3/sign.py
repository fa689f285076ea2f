"""AWS Signature Version 4 of a request, verified."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from multidict import CIMultiDictProxy

from infra.localcloud.runpod.volumes.s3 import limits
from infra.localcloud.runpod.volumes.s3.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^/,\s]+)/(?P<day>\d{{8}})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request"
    r" *, *SignedHeaders=(?P<headers>[a-z0-9;-]+) *, *Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)


@dataclass(frozen=True)
class Signed:
    """`payload` is what the client said of the body: its SHA-256, or how it is signed."""

    region: str
    moment: str
    scope: str
    key: bytes
    signature: str
    payload: str

    def chain(self, kind: str, before: str, *hashes: str) -> str:
        """The signature of a chunk or trailer that follows another."""
        text = "\n".join((f"{ALGORITHM}-{kind}", self.moment, self.scope, before, *hashes))
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


def verify(
    method: str,
    path: str,
    decoded_path: str,
    query: Sequence[tuple[str, str]],
    headers: CIMultiDictProxy[str],
    credentials: tuple[str, str],
    now: float,
) -> Signed:
    """`path` as sent, `query` decoded; `credentials` are the access key and its secret. Raises S3Error."""
    given = headers.get("Authorization", "")
    match = _AUTHORIZATION.fullmatch(given.strip())
    if match is None:
        if not given:
            raise S3Error("AccessDenied", 403, "Access Denied: the request is not signed")
        raise S3Error(
            "AuthorizationHeaderMalformed", 400, f"The authorization header is not one of {ALGORITHM}."
        )
    access_key, secret = credentials
    if not hmac.compare_digest(match["key"].encode(), access_key.encode()):
        raise S3Error(
            "InvalidAccessKeyId",
            403,
            "The access key is not one of the S3 API of network volumes (user_…); it is not the API key of RunPod, "
            "nor the key of an object store.",
        )
    moment = _moment(headers, now, match["day"])
    if match["service"] != "s3":
        raise S3Error("AuthorizationHeaderMalformed", 400, f"The service is s3, not {match['service']}.")
    payload = headers.get("x-amz-content-sha256", "")
    names = match["headers"].split(";")
    unsigned = [name for name in map(str.lower, headers) if name.startswith("x-amz-") and name not in names]
    if "host" not in names or unsigned:
        what = ", ".join(unsigned) or "host"
        raise S3Error("AccessDenied", 403, f"There were headers present which were not signed: {what}")
    if not payload:
        raise S3Error("InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256")
    scope = f"{match['day']}/{match['region']}/s3/aws4_request"
    key = _signing_key(secret, match["day"], match["region"])
    query_text = "&".join(
        sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    )
    header_text = "".join(
        f"{name}:{','.join(' '.join(value.split()) for value in headers.getall(name, []))}\n"
        for name in names
    )
    # Clients sign the path fully encoded and some send it with less.
    for candidate in dict.fromkeys((path, quote(decoded_path, safe="/-_.~"))):
        request = "\n".join((method, candidate, query_text, header_text, match["headers"], payload))
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join((ALGORITHM, moment, scope, digest))
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if hmac.compare_digest(expected, match["signature"]):
            return Signed(match["region"], moment, scope, key, match["signature"], payload)
    raise S3Error(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your secret key.",
    )


def _moment(headers: CIMultiDictProxy[str], now: float, day: str) -> str:
    text = headers.get("x-amz-date", "")
    try:
        signed_at = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise S3Error(
            "AccessDenied", 403, "A request must have its date in x-amz-date, as 20261124T120000Z."
        ) from None
    allowed = limits.load().clock_skew_s
    if abs(now - signed_at) > allowed:
        raise S3Error(
            "RequestTimeTooSkewed",
            403,
            f"The difference between the request time and the current time is too large: over {allowed} s.",
        )
    if not text.startswith(day):
        raise S3Error(
            "AuthorizationHeaderMalformed", 400, "The day of the credential is not that of x-amz-date."
        )
    return text


def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
