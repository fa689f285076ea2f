import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli import cloud
from infra.cli.main import main
from infra.localcloud.daemon import environment, status, tail
from infra.localcloud.daemon.paths import CloudPaths

RECORD = {
    "url": "http://127.0.0.1:1",
    "runpod": {
        "api_key": "it's; a key",
        "s3": {"url": "http://127.0.0.1:4", "access_key_id": "user_1", "secret_access_key": "rps_`1`"},
    },
    "s3": {
        "url": "http://127.0.0.1:2",
        "access_key_id": "A",
        "secret_access_key": "$(B)",
        "region": "us-east-1",
    },
    "modal": {"server_url": "http://127.0.0.1:3", "token_id": "ak-1", "token_secret": "as-$X"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: test\n")
    return tmp_path


def test_a_shell_reads_back_exactly_what_was_meant(project: Path) -> None:
    values = environment.variables(RECORD, CloudPaths(project), {})
    script = environment.shell(values) + "\nexec env -0"
    shell = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    read = dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)
    assert {name: read.get(name) for name in values} == values


def test_proxy_exceptions_of_both_spellings_are_kept_once(project: Path) -> None:
    given = {"NO_PROXY": "a.example, localhost", "no_proxy": "b.example,a.example"}
    values = environment.variables(RECORD, CloudPaths(project), given)
    assert values["NO_PROXY"] == values["no_proxy"] == "a.example,localhost,b.example,127.0.0.1"


def test_status_without_a_cloud_is_code_3(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "--root", str(project), "status", "--json"]) == 3
    assert capsys.readouterr().out == '{"running": false}\n'


def test_env_without_a_cloud_prints_nothing_to_evaluate(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cloud", "--root", str(project), "env"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "pilotlight cloud up" in printed.err


def test_reset_asks_and_takes_silence_for_no(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = project / ".pilotlight" / "cloud" / "keys.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    command = [sys.executable, "-m", "infra.cli.main", "cloud", "--root", str(project), "reset"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 1
    assert kept.exists()


def test_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys; from infra.localcloud.daemon import client, environment, lifecycle, record, status, tail;"
        "print(*{'aiohttp', 'jinja2', 'asyncio', 'pulumi', 'boto3', 'httpx'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert loaded == []


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("".join(f"line {number}\n" for number in range(500)))
    assert list(tail.lines(lambda: [log], 2, follow=False, label=False)) == ["line 498", "line 499"]


def test_following_sees_new_lines_new_files_and_a_file_that_was_moved_aside(tmp_path: Path) -> None:
    def files() -> list[Path]:
        return sorted(tmp_path.glob("*.log"))

    one, two = tmp_path / "w1.log", tmp_path / "w2.log"
    one.write_text("old\nhalf ")
    following = tail.lines(files, 100, follow=True, label=True)
    assert next(following) == "w1 | old"
    with one.open("a") as file:
        file.write("a line\n")
    two.write_text("hello\n")
    assert list(itertools.islice(following, 2)) == ["w1 | half a line", "w2 | hello"]
    one.rename(tmp_path / "w1.log.1")
    one.write_text("after\n")
    assert next(following) == "w1 | after"


def test_status_says_what_a_worker_ails_from() -> None:
    worker = {
        "id": "w1",
        "status": "UNHEALTHY",
        "reason": "no such image",
        "hardware": "CPU",
        "uptime_s": 3700,
    }
    endpoint = {
        "name": "search",
        "id": "abc",
        "image": "x",
        "in_queue": 2,
        "in_progress": 1,
        "completed": 5,
        "failed": 0,
        "usd": "0.0123",
        "worker_seconds": 9,
        "workers_min": 0,
        "workers_max": 3,
        "workers": [worker],
    }
    pod = {
        "name": "tune",
        "id": "p1",
        "image": "y",
        "status": "ERROR",
        "reason": "no such image",
        "hardware": "NVIDIA A40",
        "data_center": "EU-RO-1",
        "usd": "0.5",
        "ports": {"8888/http": "127.0.0.1:9"},
    }
    volume = {
        "name": "data",
        "id": "v1",
        "size_gb": 50,
        "data_center": "EU-RO-1",
        "usd": "0.1",
        "path": "/there",
    }
    found = {
        "url": "http://127.0.0.1:1",
        "pid": 7,
        "uptimeSeconds": 61,
        "residentBytes": 90 << 20,
        "settings": {},
        "registry": {"url": "http://127.0.0.1:2"},
        "objectStore": {"url": "http://127.0.0.1:3", "status": "ok", "restarts": 1},
        "modal": {"url": "http://127.0.0.1:4", "webUrl": "http://127.0.0.1:5", "apps": []},
        "endpoints": [endpoint],
        "pods": [pod],
        "volumes": [volume],
    }
    text = status.text(found)
    assert "(pid 7, up 1 min 1 s, 90 MB)" in text
    assert "restarted 1 times" in text
    assert "2 queued, 1 running, 5 completed, 0 failed" in text
    assert "w1  UNHEALTHY: no such image  CPU  up 1 h 1 min" in text
    assert "status   ERROR: no such image" in text
    assert "8888/http at 127.0.0.1:9" in text
    assert "50 GB in EU-RO-1, $0.1" in text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("id1", "id1"),
        ("search-1a2b3c4", "id1"),
        ("search", "id1"),
        ("chat", None),
        ("sear", None),
        ("", None),
    ],
)
def test_an_endpoint_goes_by_the_name_that_the_program_gave_it(wanted: str, found: str | None) -> None:
    names = {"id1": "search-1a2b3c4", "id2": "chat-1111111", "id3": "chat-2222222", "id4": "plain"}
    assert cloud._match(names, wanted) == found
