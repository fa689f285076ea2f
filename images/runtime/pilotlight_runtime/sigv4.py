"""AWS Signature Version 4 for reading objects: enough for S3, R2 and any server that speaks S3."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    session_token: str = field(default="", repr=False)


def sign(
    method: str, host: str, path: str, headers: dict[str, str], credentials: Credentials, now: datetime
) -> dict[str, str]:
    """Headers to send: `headers` and those of the signature. `path` is percent-encoded, without a query.

    Source: AWS, "Signature Calculations for the Authorization Header".
    """
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    sent = {**headers, "Host": host, "x-amz-date": stamp, "x-amz-content-sha256": EMPTY_SHA256}
    if credentials.session_token:
        sent["x-amz-security-token"] = credentials.session_token
    lower = sorted((name.lower(), " ".join(value.split())) for name, value in sent.items())
    names = ";".join(name for name, _ in lower)
    lines = "".join(f"{name}:{value}\n" for name, value in lower)
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{EMPTY_SHA256}"
    scope = f"{day}/{credentials.region}/s3/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (day, credentials.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return sent
