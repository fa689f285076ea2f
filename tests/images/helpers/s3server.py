"""An object store for tests: GET with ranges, signatures checked by botocore, faults on demand."""

import hashlib
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, REGION = "AKIDTEST", "not-a-real-secret", "eu-test-1"


class S3Server:
    """`objects` by (bucket, key); `requests` lists (key, range); `fault(key, range, nth)` may answer for the server:
    a status, ("cut", n) to break off after n bytes, or None."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str, int], object] = lambda key, range_, nth: None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> "S3Server":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def note(self, key: str, range_: str) -> int:
        with self._lock:
            self.requests.append((key, range_))
            return len(self.requests)

    def _handler(store) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                _, bucket, key = unquote(self.path).split("/", 2)
                range_ = self.headers.get("Range", "")
                fault = store.fault(key, range_, store.note(key, range_))
                problem = _signature_problem(self)
                if problem:
                    return self.refuse(403, problem)
                if isinstance(fault, int):
                    return self.refuse(fault, "SlowDown" if fault == 503 else "")
                data = store.objects.get((bucket, key))
                if data is None:
                    known = any(name == bucket for name, _ in store.objects)
                    return self.refuse(404, "NoSuchKey" if known else "NoSuchBucket")
                status = 200
                if range_:
                    start, stop = range_.removeprefix("bytes=").split("-")
                    data, status = data[int(start) : int(stop) + 1], 206
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if isinstance(fault, tuple):
                    self.wfile.write(data[: fault[1]])
                    self.close_connection = True
                    return None
                self.wfile.write(data)
                return None

            def refuse(self, status: int, code: str) -> None:
                body = f"<Error><Code>{code}</Code></Error>".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


def _signature_problem(request: BaseHTTPRequestHandler) -> str:
    """The S3 error code, or "" when the signature is the one that botocore computes for these headers."""
    sent = request.headers.get("Authorization", "")
    if f"Credential={KEY}/" not in sent:
        return "InvalidAccessKeyId"
    names = sent.split("SignedHeaders=")[1].split(",")[0].split(";")
    probe = AWSRequest("GET", f"http://{request.headers['Host']}{request.path}")
    for name in names:
        probe.headers[name] = request.headers[name]
    probe.context["timestamp"] = request.headers["x-amz-date"]
    probe.context["payload_signing_enabled"] = True
    signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
    wanted = signer.signature(signer.string_to_sign(probe, signer.canonical_request(probe)), probe)
    return "" if sent.endswith(f"Signature={wanted}") else "SignatureDoesNotMatch"


def staged(files: dict[str, bytes], bucket: str = "models") -> tuple[str, dict[str, bytes]]:
    """The manifest's uri and every object by key, as the interface between stager and worker has them."""
    rows = [[path, len(data), hashlib.sha256(data).hexdigest()] for path, data in sorted(files.items())]
    digest = hashlib.sha256(json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
    entries = [
        {"key": f"weights/blobs/sha256/{sha}", "path": path, "sha256": sha, "size": size}
        for path, size, sha in rows
    ]
    manifest = {"digest": f"sha256:{digest}", "files": entries, "version": 1}
    key = f"weights/manifests/sha256-{digest}.json"
    objects = {entry["key"]: files[entry["path"]] for entry in entries}
    objects[key] = json.dumps(manifest, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return f"s3://{bucket}/{key}", objects
