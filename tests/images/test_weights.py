"""Staged weights arrive whole and verified, once per machine, whatever breaks on the way."""

import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pilotlight_runtime import objects, weights
from pilotlight_runtime.errors import StartError
from pilotlight_runtime.objects import Store
from pilotlight_runtime.sigv4 import Credentials, sign
from s3server import KEY, REGION, SECRET, S3Server, staged

PART = 1 << 16
BIG = bytes(range(256)) * 2048  # 8 parts
FILES = {
    "model.safetensors": BIG,
    "config.json": b"{}",
    "1_Pooling/config.json": b'{"a": 1}',
    "empty.txt": b"",
}


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def fetch(s3, tmp_path, pauses):
    def run(uri, secret=SECRET, **settings):
        def store():
            return Store(s3.url, Credentials(KEY, secret, REGION), sleep=pauses.append, **settings)

        return weights.fetch(uri, tmp_path / "cache", store, part_bytes=PART)

    return run


def contents(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_signature_is_the_one_aws_documents():
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    sent = sign(
        "GET",
        "examplebucket.s3.amazonaws.com",
        "/test.txt",
        {"Range": "bytes=0-9"},
        credentials,
        datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert sent["Authorization"].endswith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


def test_files_arrive_under_their_paths(s3, stage, fetch):
    got = fetch(stage(FILES))
    assert contents(got.directory) == FILES
    assert got.size_bytes == got.fetched_bytes == sum(map(len, FILES.values()))
    assert len([r for r in s3.requests if r[1]]) == 8 + 2  # big parts, and one each for the small files


def test_a_warm_cache_asks_for_nothing(s3, stage, fetch):
    uri = stage(FILES)
    first = fetch(uri)
    s3.requests.clear()
    again = fetch(uri)
    assert (again.directory, again.fetched_bytes) == (first.directory, 0)
    assert s3.requests == []


def test_unchanged_files_of_new_weights_are_not_fetched_again(s3, stage, fetch):
    fetch(stage(FILES))
    got = fetch(stage({**FILES, "config.json": b'{"new": 1}'}))
    assert got.fetched_bytes == len(b'{"new": 1}')
    assert contents(got.directory)["config.json"] == b'{"new": 1}'


def test_a_corrupt_object_is_refused(s3, stage, fetch, tmp_path):
    uri = stage(FILES)
    key = next(k for k, data in s3.objects.items() if data == BIG)
    s3.objects[key] = BIG[:-1] + b"x"
    with pytest.raises(StartError, match=r"model\.safetensors in bucket 'models' is corrupt"):
        fetch(uri)
    assert not list((tmp_path / "cache/blobs/sha256").glob(f"{key[1][-64:]}*"))


def test_an_object_of_another_size_is_refused(s3, stage, fetch):
    uri = stage(FILES)
    key = next(k for k, data in s3.objects.items() if data == BIG)
    s3.objects[key] = BIG[:-100]
    with pytest.raises(StartError, match="has not the size that its manifest states"):
        fetch(uri)


@pytest.mark.parametrize("damage", [BIG[:-1] + b"x", BIG[:100]], ids=["changed", "cut"])
def test_a_damaged_cache_entry_is_fetched_again(stage, fetch, damage):
    uri = stage(FILES)
    blob = (fetch(uri).directory / "model.safetensors").resolve()
    blob.chmod(0o644)
    blob.write_bytes(damage)
    got = fetch(uri)
    assert got.fetched_bytes == len(BIG)
    assert contents(got.directory) == FILES


def test_a_touched_but_right_cache_entry_is_kept(s3, stage, fetch):
    uri = stage(FILES)
    (fetch(uri).directory / "model.safetensors").resolve().touch()
    s3.requests.clear()
    assert fetch(uri).fetched_bytes == 0
    assert s3.requests == []


def test_a_broken_link_is_made_again(stage, fetch):
    uri = stage(FILES)
    (fetch(uri).directory / "1_Pooling/config.json").unlink()
    assert contents(fetch(uri).directory) == FILES


def test_a_cut_connection_goes_on_where_it_stopped(s3, stage, fetch, pauses):
    uri = stage({"model.safetensors": BIG[:PART]})
    cuts = iter([1000, 5000])
    s3.fault = lambda key, range_, nth: ("cut", next(cuts)) if range_ and nth < 4 else None
    got = fetch(uri)
    assert contents(got.directory) == {"model.safetensors": BIG[:PART]}
    assert [r for _, r in s3.requests if r] == ["bytes=0-65535", "bytes=1000-65535", "bytes=6000-65535"]
    assert len(pauses) == 2


def test_an_interrupted_download_resumes(s3, stage, fetch, tmp_path, monkeypatch):
    uri = stage({"model.safetensors": BIG})
    last = f"bytes={7 * PART}-{8 * PART - 1}"
    s3.fault = lambda key, range_, nth: 403 if range_ == last else None
    monkeypatch.setattr(
        weights, "CONNECTIONS", 2
    )  # so that the last part is asked for after most others are written
    with pytest.raises(StartError):
        fetch(uri)
    [journal] = (tmp_path / "cache/blobs/sha256").glob("*.parts")
    have = {int(start) for start in journal.read_text().split()[1:]}
    assert have
    s3.fault, s3.requests = lambda *_: None, []
    got = fetch(uri)
    asked = {int(r.removeprefix("bytes=").split("-")[0]) for _, r in s3.requests if r}
    assert asked == set(range(0, len(BIG), PART)) - have
    assert contents(got.directory) == {"model.safetensors": BIG}


def test_a_wrong_partial_file_does_not_survive(stage, fetch, tmp_path):
    files = {"model.safetensors": BIG}
    uri = stage(files)
    sha = (fetch(uri).directory / "model.safetensors").resolve().name
    blobs = tmp_path / "cache/blobs/sha256"
    (blobs / sha).unlink()
    (blobs / f"{sha}.partial").write_bytes(b"\0" * len(BIG))
    (blobs / f"{sha}.parts").write_text(f"{PART}\n0\n{PART}\n")
    got = fetch(uri)
    assert contents(got.directory) == files


def test_two_workers_at_once_fetch_once(s3, stage, tmp_path):
    """Two processes; the store holds back the first part until the second worker waits for the lock or reads too."""
    uri = stage({"model.safetensors": BIG})
    code = (
        "import sys, os; from pathlib import Path; from pilotlight_runtime import weights, objects;"
        "print(weights.fetch(sys.argv[1], Path(sys.argv[2]), lambda: objects.Store.from_env(os.environ),"
        f" part_bytes={PART}).fetched_bytes)"
    )
    runtime = Path(objects.__file__).parents[1]
    both = threading.Barrier(2, timeout=30)

    def hold(key, range_, nth):
        if (
            not range_ and both.n_waiting < 2 and nth <= 2
        ):  # both have asked for the manifest before either goes on
            both.wait()

    s3.fault = hold
    command = [sys.executable, "-c", code, uri, str(tmp_path / "shared")]
    env = {**s3.env, "PYTHONPATH": str(runtime)}
    workers = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    fetched = sorted(int(worker.communicate(timeout=60)[0]) for worker in workers)
    assert fetched == [0, len(BIG)]
    assert len([r for _, r in s3.requests if r]) == 8


def test_passing_faults_are_waited_out(s3, stage, fetch, pauses):
    uri = stage({"config.json": b"{}"})
    answers = iter([503, 500, 429])
    s3.fault = lambda *_: next(answers, None)
    assert contents(fetch(uri).directory) == {"config.json": b"{}"}
    assert len(pauses) == 3
    assert all(0 < pause <= 20 for pause in pauses)


def test_a_store_that_stays_down_is_named(s3, stage, fetch, pauses):
    uri = stage({"config.json": b"{}"})
    s3.fault = lambda *_: 503
    with pytest.raises(StartError, match="after 4 tries: status 503 SlowDown"):
        fetch(uri, attempts=4)
    assert len(pauses) == 3


def test_a_store_that_is_not_there(tmp_path, stage, pauses):
    store = Store("http://127.0.0.1:9", Credentials(KEY, SECRET, REGION), attempts=2, sleep=pauses.append)
    with pytest.raises(StartError, match=r"from 127\.0\.0\.1:9 after 2 tries: .*refused"):
        weights.fetch(stage(FILES), tmp_path / "cache", lambda: store)


def test_a_silent_store_times_out(s3, stage, fetch):
    silent = threading.Event()
    s3.fault = lambda *_: silent.wait(30)
    try:
        with pytest.raises(StartError, match=r"after 1 tries: no answer within 0\.05 s"):
            fetch(stage(FILES), attempts=1, timeout_s=0.05)
    finally:
        silent.set()


def test_https_is_spoken_and_certificates_are_checked(tmp_path, pauses, monkeypatch):
    cert = tmp_path / "cert.pem"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, datetime.now(UTC) - day, datetime.now(UTC) + day
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    cert.write_bytes(private + signed.public_bytes(encoding))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert)
    uri, files = staged(FILES)
    with S3Server(tls) as server:
        server.objects = {("models", key): data for key, data in files.items()}

        def store():
            return Store(server.url, Credentials(KEY, SECRET, REGION), attempts=2, sleep=pauses.append)

        with pytest.raises(StartError, match="its certificate is not valid"):
            weights.fetch(uri, tmp_path / "cache", store)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        got = weights.fetch(uri, tmp_path / "cache", store, part_bytes=PART)
        assert contents(got.directory) == FILES


def test_wrong_credentials_are_named_and_not_shown(stage, fetch):
    with pytest.raises(StartError, match="AWS_SECRET_ACCESS_KEY is not the secret") as refused:
        fetch(stage(FILES), secret="wrong-canary")
    assert "canary" not in str(refused.value)


def test_missing_things_are_named(s3, stage, fetch):
    uri = stage(FILES)
    with pytest.raises(StartError, match="bucket 'other' does not exist"):
        fetch(uri.replace("models", "other"))
    s3.objects = {key: data for key, data in s3.objects.items() if data != BIG}
    with pytest.raises(StartError, match=r"s3://models/weights/blobs/sha256/\w+ does not exist"):
        fetch(uri)


def test_missing_credentials_are_named():
    with pytest.raises(StartError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set"):
        Store.from_env({})


@pytest.mark.parametrize(
    "uri", ["", "https://x/y", "s3://b/weights/manifests/sha256-zz.json", "s3://b/model.bin"]
)
def test_a_wrong_uri_is_shown(uri, fetch):
    with pytest.raises(StartError, match="PILOTLIGHT_WEIGHTS is"):
        fetch(uri)


def test_a_full_disk_is_said_beforehand(stage, fetch, monkeypatch):
    monkeypatch.setattr(weights.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(
        StartError, match=r"no room for the weights .* need 524,298 more bytes and 1,000 are free"
    ):
        fetch(stage(FILES))


def test_a_disk_that_fills_up(stage, fetch, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights.os, "pwrite", full)
    with pytest.raises(StartError, match="no room for the weights"):
        fetch(stage(FILES))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"version":1', b'"version":2', "version 2"),
        (b'"path":"config.json"', b'"path":"other.json"', "its files amount to sha256:"),
        (b'"path":"config.json"', b'"path":"../../x"', "leaves the weights' directory"),
        (b'"path":"config.json"', b'"path":"/etc/x"', "leaves the weights' directory"),
        (b'"files"', b'"fil"', "not a manifest"),
        (b"{", b"[", "not a manifest"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(s3, stage, fetch, old, new, words):
    uri = stage(FILES)
    key = ("models", uri.removeprefix("s3://models/"))
    s3.objects[key] = s3.objects[key].replace(old, new)
    with pytest.raises(StartError, match=words):
        fetch(uri)
