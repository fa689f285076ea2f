import hashlib
import http.client
from pathlib import Path

import pytest

from infra.localcloud.storage import registry_uploads

from .conftest import Client, Registry, digest_of, serving, wait_for

UPLOADS = "/v2/team/app/blobs/uploads/"
CONTENT = b"0123456789" * 1000


def test_one_request_stores_a_blob_that_reads_back_whole_and_by_range(client: Client) -> None:
    digest = client.push_blob("team/app", CONTENT)

    whole = client("GET", f"/v2/team/app/blobs/{digest}")
    assert (whole.status, whole.body) == (200, CONTENT)
    assert whole.headers["Docker-Content-Digest"] == digest
    part = client("GET", f"/v2/team/app/blobs/{digest}", headers={"Range": "bytes=10-19"})
    assert (part.status, part.body, part.headers["Content-Range"]) == (
        206,
        CONTENT[10:20],
        "bytes 10-19/10000",
    )
    head = client("HEAD", f"/v2/team/app/blobs/{digest}")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "10000", b"")


def test_post_then_put_stores_a_blob(client: Client) -> None:
    location = client("POST", UPLOADS).headers["Location"]
    assert client("PUT", f"{location}?digest={digest_of(CONTENT)}", CONTENT).status == 201
    assert client("GET", f"/v2/team/app/blobs/{digest_of(CONTENT)}").body == CONTENT


def test_chunks_must_follow_each_other(client: Client) -> None:
    location = client("POST", UPLOADS).headers["Location"]
    first = client("PATCH", location, CONTENT[:4000], {"Content-Range": "0-3999"})
    assert (first.status, first.headers["Range"]) == (202, "0-3999")

    gap = client("PATCH", location, CONTENT[5000:], {"Content-Range": "5000-9999"})
    assert (gap.status, gap.headers["Range"]) == (416, "0-3999")

    assert client("PATCH", location, CONTENT[4000:], {"Content-Range": "4000-9999"}).status == 202
    assert client("PUT", f"{location}?digest={digest_of(CONTENT)}").status == 201
    assert client("GET", f"/v2/team/app/blobs/{digest_of(CONTENT)}").body == CONTENT


@pytest.mark.parametrize("way", ["post", "put"])
def test_other_content_than_announced_is_refused_and_dropped(client: Client, way: str) -> None:
    digest = digest_of(b"what was meant")
    if way == "post":
        answer = client("POST", f"{UPLOADS}?digest={digest}", CONTENT)
    else:
        location = client("POST", UPLOADS).headers["Location"]
        answer = client("PUT", f"{location}?digest={digest}", CONTENT)
        assert client("GET", location).status == 404
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert client("HEAD", f"/v2/team/app/blobs/{digest}").status == 404
    assert list((client.root / "uploads").iterdir()) == []


def test_a_broken_connection_leaves_what_arrived_and_the_client_goes_on(client: Client) -> None:
    content = CONTENT * 400
    location = client("POST", UPLOADS).headers["Location"]
    received = client.root / "uploads" / location.rpartition("/")[2]
    connection = _begin_patch(client, location, len(content), content[:3_000_000])
    wait_for(lambda: received.stat().st_size >= 1 << 20)
    connection.close()

    arrived = int(client("GET", location).headers["Range"].rpartition("-")[2]) + 1
    assert 1 << 20 <= arrived <= 3_000_000
    assert received.stat().st_size == arrived
    rest = client("PATCH", location, content[arrived:], {"Content-Range": f"{arrived}-{len(content) - 1}"})
    assert rest.status == 202
    assert client("PUT", f"{location}?digest={digest_of(content)}").status == 201


def test_an_upload_goes_on_after_a_restart(root: Path) -> None:
    with serving(root) as (_, port):
        before = Client(port, root)
        location = before("POST", UPLOADS).headers["Location"]
        before("PATCH", location, CONTENT[:7000])
    with serving(root) as (_, port):
        after = Client(port, root)
        assert after("GET", location).headers["Range"] == "0-6999"
        after("PATCH", location, CONTENT[7000:])
        assert after("PUT", f"{location}?digest={digest_of(CONTENT)}").status == 201
        assert after("GET", f"/v2/team/app/blobs/{digest_of(CONTENT)}").body == CONTENT


def test_sha512_is_a_digest_too(client: Client, registry: Registry) -> None:
    digest = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
    assert client("POST", f"{UPLOADS}?digest={digest}", CONTENT).status == 201
    path = registry.blob_path(digest)
    assert path is not None
    assert path.read_bytes() == CONTENT


def test_a_cancelled_upload_is_gone(client: Client) -> None:
    location = client("POST", UPLOADS).headers["Location"]
    assert client("DELETE", location).status == 204
    answer = client("PATCH", location, b"more")
    assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_blob_is_mounted_from_a_repository_that_holds_it(client: Client) -> None:
    digest = client.push_blob("team/base", CONTENT)
    assert client("HEAD", f"/v2/team/app/blobs/{digest}").status == 404

    assert client("POST", f"{UPLOADS}?mount={digest}&from=team/base").status == 201
    assert client("GET", f"/v2/team/app/blobs/{digest}").body == CONTENT
    elsewhere = client("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=team/none")
    assert (elsewhere.status, "uploads" in elsewhere.headers["Location"]) == (202, True)


def test_deleting_a_blob_in_one_repository_leaves_it_to_the_others(
    client: Client, registry: Registry
) -> None:
    digest = client.push_blob("one", CONTENT)
    client("POST", f"/v2/two/blobs/uploads/?mount={digest}&from=one")

    assert client("DELETE", f"/v2/one/blobs/{digest}").status == 202
    assert client("GET", f"/v2/one/blobs/{digest}").code == "BLOB_UNKNOWN"
    assert client("GET", f"/v2/two/blobs/{digest}").body == CONTENT
    client("DELETE", f"/v2/two/blobs/{digest}")
    assert registry.blob_path(digest) is None


def test_two_requests_do_not_write_one_upload_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_uploads, "TURN_S", 0.05)
    location = client("POST", UPLOADS).headers["Location"]
    received = client.root / "uploads" / location.rpartition("/")[2]
    first = _begin_patch(client, location, 4 << 20, b"x" * (2 << 20))
    wait_for(lambda: received.stat().st_size >= 1 << 20)

    second = client("PATCH", location, b"y")
    assert (second.status, second.code) == (409, "BLOB_UPLOAD_INVALID")
    first.send(b"x" * (2 << 20))
    assert first.getresponse().status == 202
    first.close()


def _begin_patch(client: Client, location: str, length: int, content: bytes) -> http.client.HTTPConnection:
    """Announce `length` bytes and send only `content`."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    connection.putrequest("PATCH", location)
    for name, value in {**client.authorization(), "Content-Length": str(length)}.items():
        connection.putheader(name, value)
    connection.endheaders(content)
    return connection
