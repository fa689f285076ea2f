import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from .conftest import PASSWORD, USER, Client, Registry


def test_pulls_are_open_and_pushes_want_the_password(client: Client) -> None:
    client.push_image("team/app", "v1")
    nobody = Client(client.port, client.root, password=None)
    assert nobody("GET", "/v2/team/app/manifests/v1").status == 200
    for method, path in [
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("PUT", "/v2/team/app/manifests/v2"),
        ("DELETE", "/v2/team/app/manifests/v1"),
    ]:
        answer = nobody(method, path)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_wrong_password_is_refused_even_for_a_pull(client: Client) -> None:
    client.push_image("team/app", "v1")
    stranger = Client(client.port, client.root, password="guess")
    for method, path in [("GET", "/v2/team/app/manifests/v1"), ("POST", "/v2/team/app/blobs/uploads/")]:
        answer = stranger(method, path)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert b"wrong" in answer.body


def test_the_root_tells_clients_to_log_in(client: Client) -> None:
    assert client("GET", "/v2/").status == 200
    answer = Client(client.port, client.root, password=None)("GET", "/v2/")
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/Team/App/tags/list", "NAME_INVALID"),
        ("/v2/team/..%2f..%2fetc/tags/list", "NAME_INVALID"),
        ("/v2/team/app/manifests/-bad", "TAG_INVALID"),
        ("/v2/team/app/manifests/sha256:short", "DIGEST_INVALID"),
        ("/v2/team/app/blobs/sha256:..%2f..%2fkeys.json", "DIGEST_INVALID"),
    ],
)
def test_names_that_are_none_are_refused(client: Client, path: str, code: str) -> None:
    answer = client("GET", path)
    assert (answer.status, answer.code) == (400, code)


def test_unknown_paths_and_methods_answer_in_the_envelope_too(client: Client) -> None:
    assert (client("GET", "/v1/search").status, client("GET", "/v1/search").code) == (404, "NOT_FOUND")
    answer = client("PUT", "/v2/_catalog", b"")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")


def test_the_read_api_finds_nothing_outside_its_folder(registry: Registry, root: Path) -> None:
    (root.parent / "secret").write_text("x")
    assert registry.manifest("../..", "v1") is None
    assert registry.manifest("team/app", "../../x") is None
    assert registry.blob_path("sha256:../../../secret") is None


def test_crane_pushes_and_validates(client: Client, tmp_path: Path) -> None:
    crane = shutil.which("crane")
    if crane is None:
        pytest.skip("crane (go-containerregistry) is not on PATH")
    (tmp_path / "file").write_bytes(b"content" * 1000)
    with tarfile.open(tmp_path / "layer.tar", "w") as archive:
        archive.add(tmp_path / "file", "file")
    host = f"127.0.0.1:{client.port}"
    environment = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    for arguments in (
        ["auth", "login", "-u", USER, "-p", PASSWORD, host],
        ["append", "-t", f"{host}/team/app:1", "-f", str(tmp_path / "layer.tar")],
        ["copy", f"{host}/team/app:1", f"{host}/team/copy:1"],
        ["validate", "--remote", f"{host}/team/copy:1"],
    ):
        subprocess.run(
            [crane, "--insecure", *arguments], check=True, env=environment, timeout=60, capture_output=True
        )
