import json

import pytest

from .conftest import INDEX, MANIFEST, Client, Registry, digest_of


def test_an_image_reads_back_by_tag_and_by_digest(client: Client, registry: Registry) -> None:
    digest = client.push_image("team/app", "v1")

    for reference in ("v1", digest):
        answer = client("GET", f"/v2/team/app/manifests/{reference}")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == MANIFEST
        assert answer.headers["Docker-Content-Digest"] == digest
        assert digest_of(answer.body) == digest
        assert registry.manifest("team/app", reference) == (MANIFEST, answer.body)
    head = client("HEAD", "/v2/team/app/manifests/v1")
    assert (head.status, head.headers["Docker-Content-Digest"], head.body) == (200, digest, b"")


def test_a_manifest_is_refused_until_all_it_names_is_there(client: Client) -> None:
    missing = "sha256:" + "0" * 64
    manifest = {"schemaVersion": 2, "config": {"digest": missing}, "layers": []}
    answer = client("PUT", "/v2/team/app/manifests/v1", json.dumps(manifest), {"Content-Type": MANIFEST})
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert missing in answer.body.decode()


def test_a_blob_of_another_repository_does_not_count(client: Client) -> None:
    digest = client.push_blob("other", b"{}")
    manifest = {"schemaVersion": 2, "config": {"digest": digest}, "layers": []}
    answer = client("PUT", "/v2/team/app/manifests/v1", json.dumps(manifest), {"Content-Type": MANIFEST})
    assert answer.code == "MANIFEST_BLOB_UNKNOWN"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"not json", MANIFEST),
        (b"[]", MANIFEST),
        (b'{"schemaVersion": 1}', MANIFEST),
        (b'{"schemaVersion": 2, "mediaType": "application/x-other"}', MANIFEST),
        (b'{"schemaVersion": 2, "config": {"digest": "sha256:short"}}', MANIFEST),
    ],
)
def test_what_is_no_manifest_is_refused(client: Client, content: bytes, media_type: str) -> None:
    answer = client("PUT", "/v2/team/app/manifests/v1", content, {"Content-Type": media_type})
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")


def test_a_manifest_pushed_by_another_digest_is_refused(client: Client) -> None:
    content = json.dumps({"schemaVersion": 2, "layers": []})
    path = "/v2/team/app/manifests/sha256:" + "0" * 64
    answer = client("PUT", path, content, {"Content-Type": MANIFEST})
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_a_manifest_over_4_mib_is_refused(client: Client) -> None:
    answer = client("PUT", "/v2/team/app/manifests/v1", b" " * (5 << 20), {"Content-Type": MANIFEST})
    assert (answer.status, answer.code) == (413, "SIZE_INVALID")


def test_a_tag_moves_and_the_old_manifest_stays(client: Client) -> None:
    old = client.push_image("team/app", "v1", b"one")
    new = client.push_image("team/app", "v1", b"two")
    assert client("HEAD", "/v2/team/app/manifests/v1").headers["Docker-Content-Digest"] == new
    assert client("HEAD", f"/v2/team/app/manifests/{old}").status == 200


def test_deleting_a_tag_keeps_the_manifest_and_deleting_the_manifest_takes_its_tags(client: Client) -> None:
    digest = client.push_image("team/app", "v1")
    client.push_image("team/app", "v2")
    assert client("DELETE", "/v2/team/app/manifests/v1").status == 202
    assert client("HEAD", f"/v2/team/app/manifests/{digest}").status == 200
    assert client("DELETE", f"/v2/team/app/manifests/{digest}").status == 202
    answer = client("GET", "/v2/team/app/manifests/v2")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_an_index_wants_its_manifests(client: Client) -> None:
    digest = client.push_image("team/app", None)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": digest, "mediaType": MANIFEST}]}
    sent = json.dumps(index)
    assert client("PUT", "/v2/team/app/manifests/all", sent, {"Content-Type": INDEX}).status == 201
    answer = client("PUT", "/v2/other/manifests/all", sent, {"Content-Type": INDEX})
    assert answer.code == "MANIFEST_BLOB_UNKNOWN"


def test_referrers_lists_what_points_at_a_manifest(client: Client) -> None:
    subject = client.push_image("team/app", "v1")
    signature = client.push_image(
        "team/app", None, b"sig", artifactType="application/x-sig", subject={"digest": subject, "size": 1}
    )
    found = json.loads(client("GET", f"/v2/team/app/referrers/{subject}").body)["manifests"]
    assert [(each["digest"], each["artifactType"]) for each in found] == [(signature, "application/x-sig")]
    other = client("GET", f"/v2/team/app/referrers/{subject}?artifactType=application/x-other")
    assert json.loads(other.body)["manifests"] == []
    assert other.headers["OCI-Filters-Applied"] == "artifactType"


def test_tags_and_repositories_come_in_pages(client: Client) -> None:
    for tag in ("b", "a", "c"):
        client.push_image("team/app", tag)
    client.push_image("zoo", "x")
    assert json.loads(client("GET", "/v2/team/app/tags/list").body) == {
        "name": "team/app",
        "tags": ["a", "b", "c"],
    }

    first = client("GET", "/v2/team/app/tags/list?n=2")
    assert json.loads(first.body)["tags"] == ["a", "b"]
    link = first.headers["Link"].partition(">")[0].removeprefix("<")
    last = client("GET", link)
    assert (json.loads(last.body)["tags"], last.headers["Link"]) == (["c"], None)

    assert json.loads(client("GET", "/v2/_catalog?n=1").body) == {"repositories": ["team/app"]}
    assert json.loads(client("GET", "/v2/_catalog?n=1&last=team/app").body) == {"repositories": ["zoo"]}
    assert client("GET", "/v2/none/tags/list").code == "NAME_UNKNOWN"
    assert client("GET", "/v2/zoo/tags/list?n=many").code == "PAGINATION_NUMBER_INVALID"
