"""One signed request, and what RunPod's S3 API refuses of S3."""

from dataclasses import dataclass

from aiohttp import web

from infra.localcloud.runpod.volumes.s3.errors import unsupported
from infra.localcloud.runpod.volumes.s3.sign import Signed

# Sub-resources by their name in the query; docs.runpod.io/storage/s3-api lists what is supported (2026-08-20).
_REFUSED = {
    "acl": "An ACL",
    "accelerate": "Transfer acceleration",
    "analytics": "Analytics",
    "attributes": "GetObjectAttributes",
    "cors": "A CORS configuration",
    "delete": "DeleteObjects",
    "encryption": "Encryption",
    "intelligent-tiering": "Tiering",
    "inventory": "An inventory",
    "legal-hold": "A legal hold",
    "lifecycle": "A lifecycle",
    "location": "GetBucketLocation",
    "logging": "Logging",
    "metrics": "Metrics",
    "notification": "A notification",
    "object-lock": "Object lock",
    "ownershipControls": "Ownership controls",
    "policy": "A bucket policy",
    "policyStatus": "A bucket policy",
    "publicAccessBlock": "A public access block",
    "renameObject": "RenameObject",
    "replication": "Replication",
    "requestPayment": "Requester pays",
    "restore": "RestoreObject",
    "retention": "Retention",
    "select": "SelectObjectContent",
    "session": "CreateSession",
    "tagging": "Tagging",
    "torrent": "A torrent",
    "versionId": "A version of an object",
    "versioning": "Versioning",
    "versions": "ListObjectVersions",
    "website": "A website",
}
_REFUSED_HEADERS = {
    "x-amz-acl": "An ACL",
    "x-amz-grant": "An ACL",
    "x-amz-server-side-encryption": "Encryption",
    "x-amz-copy-source-server-side-encryption": "Encryption",
    "x-amz-tagging": "Tagging",
    "x-amz-object-lock": "Object lock",
    "x-amz-website-redirect-location": "A website",
    "x-amz-write-offset-bytes": "Appending",
}


@dataclass(frozen=True)
class Request:
    http: web.Request
    signed: Signed
    bucket: str
    key: str
    query: dict[str, str]

    @property
    def method(self) -> str:
        return self.http.method


def check_refused(request: Request) -> None:
    """Raises S3Error 501, in words."""
    for name, what in _REFUSED.items():
        if name in request.query:
            raise unsupported(what)
    for header in map(str.lower, request.http.headers):
        for start, what in _REFUSED_HEADERS.items():
            if header.startswith(start):
                raise unsupported(what)
    if request.bucket and not request.key and request.method in ("PUT", "DELETE"):
        what = "CreateBucket" if request.method == "PUT" else "DeleteBucket"
        raise unsupported(f"{what} (create and delete the network volume instead): it")
