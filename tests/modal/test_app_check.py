"""Every rule of an app, by a declaration that breaks just that one, and no rule against a good one."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from infra.kit import UNKNOWN
from infra.kit.check import check
from infra.kit.context import CheckContext, Subject
from infra.kit.engine import Engine
from infra.kit.session import Session
from infra.kit.wire import Secret
from infra.modal.app import App
from tests.modal.engine import urn
from tests.modal.world import HANDLER, PIPELINE

PINNED = "registry.pilotlight.internal/search@sha256:" + "a" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "model.py").write_text(HANDLER)
    (tmp_path / "search" / "pipeline.py").write_text(PIPELINE)
    return tmp_path


def checked(root: Path, **inputs: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The inputs as Check passes them on, and failures by path."""
    given = {"name": "search", "source": "search", "classes": {"Search": {}}, **inputs}
    ctx = CheckContext(Subject(urn("App/search")), root, Engine())
    answer = asyncio.run(check(App(), ctx, Session("abcdefgh", root), given, {}, seed=b"1"))
    return answer.inputs, {failure.path: failure.reason for failure in answer.failures}


def of_class(root: Path, **settings: Any) -> dict[str, str]:
    return checked(root, classes={"Search": settings})[1]


def of_function(root: Path, **settings: Any) -> dict[str, str]:
    return checked(root, classes={}, functions={"embed": {"entry": "pipeline.py:embed", **settings}})[1]


def test_a_full_declaration_is_fine(root: Path) -> None:
    everything = {
        "gpu": ["L4", "a10", "H100:2", "H100!", "A10G", "any"],
        "cpu": 0.5,
        "cpuLimit": 2,
        "memoryMib": 512,
        "memoryLimitMib": 2048,
        "ephemeralDiskMib": 1024,
        "minContainers": 1,
        "maxContainers": 4,
        "bufferContainers": 1,
        "scaledownWindowS": 3600,
        "timeoutS": 86400,
        "startupTimeoutS": 900,
        "maxConcurrentInputs": 8,
        "targetConcurrentInputs": 4,
        "regions": ["eu"],
        "cloud": "aws",
        "volumes": {"/data": {"name": "v", "subPath": "a", "readOnly": True}},
        "secrets": [{"name": "s", "requiredKeys": ["A"]}],
        "retries": {"maxRetries": 3},
        "memorySnapshot": True,
        "gpuSnapshot": True,
        "image": {"registry": PINNED, "addPython": "3.11", "env": {"A": "1"}},
        "web": {"label": "search", "requiresProxyAuth": True, "customDomains": ["a.example.com"]},
    }
    inputs, failures = checked(
        root, classes={"Search": everything}, tags={"team": "a"}, weights="s3://b/w.json"
    )
    assert failures == {}
    assert inputs["module"].startswith("pl_")


@pytest.mark.parametrize(
    ("settings", "path", "says"),
    [
        ({"gpu": ["GTX"]}, "gpu[0]", "not a GPU of Modal"),
        ({"gpu": ["H100-SXM"]}, "gpu[0]", "H100!"),
        ({"gpu": ["H100-PCIe"]}, "gpu[0]", "Modal offers the H100 as SXM only"),
        ({"gpu": ["A10:5"]}, "gpu[0]", "1 to 4"),
        ({"gpu": ["L4:zero"]}, "gpu[0]", "1 to 8"),
        ({"scaledownWindowS": 1}, "scaledownWindowS", "2 to 3600 s"),
        ({"scaledownWindowS": 3601}, "scaledownWindowS", "2 to 3600 s"),
        ({"minContainers": 2, "maxContainers": 1}, "maxContainers", "at least minContainers (2)"),
        ({"minContainers": -1}, "minContainers", "at least 0"),
        ({"maxContainers": 0}, "maxContainers", "at least 1"),
        ({"timeoutS": 0}, "timeoutS", "1 to 86400 s"),
        ({"cpu": 2, "cpuLimit": 1}, "cpuLimit", "at least cpu (2)"),
        ({"memoryMib": 2048, "memoryLimitMib": 1024}, "memoryLimitMib", "at least memoryMib (2048)"),
        ({"targetConcurrentInputs": 2}, "targetConcurrentInputs", "set maxConcurrentInputs"),
        (
            {"maxConcurrentInputs": 2, "targetConcurrentInputs": 4},
            "targetConcurrentInputs",
            "at most maxConcurrentInputs (2)",
        ),
        ({"maxConcurrentInputs": 2, "singleUseContainers": True}, "singleUseContainers", "remove one"),
        ({"cloud": "ovh"}, "cloud", "aws, gcp"),
        ({"volumes": {"data": {"name": "v"}}}, "volumes.data", "absolute path"),
        ({"volumes": {"/root": {"name": "v"}}}, "volumes./root", "not /root"),
        ({"volumes": {"/a": {"name": "v"}, "/b": {"name": "v"}}}, "volumes./b", "mounted at /a already"),
        ({"volumes": {"/a\n": {"name": "v"}}}, "volumes./a\n", "absolute path"),
        ({"volumes": {"/a": {"name": "v", "subPath": "../b"}}}, "volumes./a.subPath", "no directory"),
        ({"volumes": {"/a": {"name": "v"}, "/a/": {"name": "w"}}}, "volumes./a/", "mounted at /a already"),
        (
            {"volumes": {"/a": {"name": "v"}}, "networkFileSystems": {"/a": "w"}},
            "networkFileSystems./a",
            "mounted at /a already",
        ),
        ({"web": {"customDomains": ["no domain"]}}, "web.customDomains[0]", "is no domain"),
        ({"secrets": [{"name": "a b"}]}, "secrets[0].name", "no name in Modal"),
        ({"env": {"A-B": "1"}}, "env.A-B", "no environment variable"),
        ({"env": {"A": "1\nRUN curl"}}, "env.A", "put it into a Secret"),
        ({"env": {"A": "1\r2"}}, "env.A", "several lines"),
        ({"env": {"A": "1\0"}}, "env.A", "NUL"),
        ({"env": {"A": "é" * 65_536}}, "env.A", "found 131075 bytes. Wanted: at most 131072"),
        ({"image": {"env": {"A": "1\n2"}}}, "image.env.A", "several lines"),
        ({"env": {"A": Secret("canary-1")}}, "env.A", "is secret"),
        ({"env": Secret({"A": "canary-1"})}, "env", "is secret"),
        ({"image": {"env": {"A": Secret("canary-1")}}}, "image.env.A", "is secret"),
        ({"serialized": True}, "serialized", "would deploy a new version"),
        ({"gpuSnapshot": True}, "gpuSnapshot", "memorySnapshot"),
        ({"image": {"registry": "python:3.11"}}, "image.registry", "@sha256"),
        ({"image": {"addPython": "3.11"}}, "image.addPython", "without registry"),
        ({"image": {"pip": ["numpy"]}}, "image.pip[0]", "name==version"),
        ({"image": {"pip": ["--index-url=http://x"]}}, "image.pip[0]", "is an option"),
        ({"image": {"pip": ["a==1\nb"]}}, "image.pip[0]", "no requirement"),
        ({"image": {"apt": ["git; true"]}}, "image.apt[0]", "no Debian package"),
        ({"image": {"python": "2.7"}}, "image.python", "such as 3.11"),
        ({"image": {"files": {"/a/../b": "search"}}}, "image.files./a/../b", "no absolute path"),
        ({"web": {"label": "Search_"}}, "web.label", "no label"),
        ({"web": {"kind": "asgi"}}, "web.kind", "always answers JSON"),
        ({"containerIdleTimeout": 60}, "containerIdleTimeout", "use scaledownWindowS"),
        ({"concurrencyLimit": 3}, "concurrencyLimit", "use maxContainers"),
        ({"keepWarm": 1}, "keepWarm", "use minContainers"),
        ({"allowConcurrentInputs": 5}, "allowConcurrentInputs", "use maxConcurrentInputs"),
    ],
)
def test_a_class_is_refused_at_the_property(
    root: Path, settings: dict[str, Any], path: str, says: str
) -> None:
    failures = of_class(root, **settings)
    assert set(failures) == {f"classes.Search.{path}"}
    assert says in failures[f"classes.Search.{path}"]
    assert "canary" not in str(failures)


@pytest.mark.parametrize(
    ("settings", "path", "says"),
    [
        ({"entry": "pipeline.py:nothing"}, "", "no function nothing"),
        ({"entry": "missing.py:embed"}, "", "not found"),
        ({"entry": ""}, ".entry", "file.py:function"),
        ({"schedule": {}}, ".schedule", "exactly one"),
        ({"schedule": {"cron": "daily"}}, ".schedule.cron", "five fields"),
        ({"schedule": {"cron": "0 9 * * $"}}, ".schedule.cron", "five fields"),
        ({"schedule": {"cron": "0 9 * * *"}}, "", "has a schedule"),
        (
            {"schedule": {"cron": "0 9 * * *", "timezone": "Mars/Base"}},
            ".schedule.timezone",
            "no time zone 'Mars/Base'",
        ),
        ({"batchWaitMs": 10}, ".batchWaitMs", "set batchMaxSize"),
        ({"entry": "pipeline.py:words", "batchMaxSize": 4}, "", "batched function returns a list"),
        ({"entry": "pipeline.py:words", "retries": {"maxRetries": 1}}, "", "does not retry generators"),
        ({"web": {}}, ".web.kind", "one of fastapi"),
        ({"web": {"kind": "fastapi", "method": "FETCH"}}, ".web.method", "no HTTP method"),
        ({"web": {"kind": "fastapi"}, "retries": {"maxRetries": 1}}, ".retries", "not for web endpoints"),
        ({"web": {"kind": "asgi"}}, "", "makes a web app"),
        ({"retries": {"maxRetries": 11}}, ".retries.maxRetries", "at most 10"),
    ],
)
def test_a_function_is_refused_at_the_property(
    root: Path, settings: dict[str, Any], path: str, says: str
) -> None:
    failures = of_function(root, **settings)
    assert set(failures) == {f"functions.embed{path}"}, failures
    assert says in failures[f"functions.embed{path}"]


@pytest.mark.parametrize(
    ("inputs", "path", "says"),
    [
        ({"name": "my app"}, "name", "no name in Modal"),
        ({"environment": "en-1"}, "environment", "not with en-"),
        ({"classes": {}}, "", "no function and no class"),
        ({"classes": {"class": {}}}, "classes.class", "no Python name"),
        ({"classes": {"app": {}}}, "classes.app", "taken"),
        ({"source": None}, "source", "not set"),
        ({"source": "nowhere"}, "classes.Search", "does not exist"),
        ({"tags": {"pilotlight.mark": "x"}}, "tags.pilotlight.mark", "provider's own"),
        ({"tags": {"a b": "x"}}, "tags.a b", "no tag"),
        ({"weights": "https://x"}, "weights", "s3://"),
        ({"env": {"A": Secret("x")}}, "env.A", "is secret"),
        ({"classes": Secret({"Search": {"env": {"A": "x"}}})}, "classes", "is secret"),
        ({"image": {"files": {"/a": "missing.txt"}}}, "image.files", "missing.txt does not exist"),
        ({"image": {"files": {"/a": ""}}}, "image.files", "the project itself, with its state and its keys"),
        ({"image": {"files": {"/a": "search/.."}}}, "image.files", "the project itself"),
        ({"image": {"files": {"/a": "/etc/passwd"}}}, "image.files", "outside the project"),
        ({"image": {"requirements": "none.txt"}}, "image.requirements", "none.txt cannot be read"),
        ({"image": {"requirements": "search/model.py"}}, "image.requirements", "is not pinned"),
        ({"image": {"requirements": "x.txt", "pip": []}}, "image.requirements", "pip is set as well"),
    ],
)
def test_an_app_is_refused_at_the_property(root: Path, inputs: dict[str, Any], path: str, says: str) -> None:
    _, failures = checked(root, **inputs)
    assert path in failures, failures
    assert says in failures[path]


def test_secrets_elsewhere_are_no_concern_and_the_longest_variable_is_fine(root: Path) -> None:
    _, failures = checked(
        root,
        classes=Secret({"Search": {"secrets": [{"name": "store"}]}}),
        intent={"env": {"A": Secret("x")}},
        env={"A": "x" * (131072 - 3)},
    )
    assert failures == {}


def test_what_is_unknown_is_not_judged(root: Path) -> None:
    inputs, failures = checked(
        root, classes={"Search": {"volumes": {"/data": {"name": UNKNOWN}}, "minContainers": UNKNOWN}}
    )
    assert failures == {}
    assert inputs["module"] is UNKNOWN


def test_the_module_follows_from_what_reaches_the_containers(root: Path) -> None:
    first = checked(root)[0]["module"]
    same = [
        {"tags": {"a": "b"}},
        {"name": "find"},
        {"environment": "eu"},
        {"classes": {"Search": {"minContainers": 3}}},
    ]
    assert {checked(root, **change)[0]["module"] for change in same} == {first}
    other: list[dict[str, Any]] = [
        {"env": {"A": "1"}},
        {"classes": {"Search": {"timeoutS": 10}}},
        {"image": {"pip": ["numpy==2.4.6"]}},
        {"weights": "s3://b/w.json"},
        {"image": {"apt": ["git"]}},
    ]
    modules = {checked(root, **change)[0]["module"] for change in other}
    assert len(modules) == len(other)
    assert first not in modules
    (root / "search" / "requirements.txt").write_text("numpy==2.4.6\n")
    assert checked(root)[0]["module"] not in {first, *modules}
    (root / "elsewhere.txt").write_text("numpy==2.4.6  # the same\n")
    assert checked(root, image={"requirements": "elsewhere.txt"})[0]["module"] == checked(root)[0]["module"]
    (root / "search" / "requirements.txt").write_text("numpy\n")
    assert "requirements.txt: 'numpy' is not pinned" in checked(root)[1]["source"]
    (root / "search" / "requirements.txt").write_text("numpy==2.4.6\n")
    (root / "search" / "blob.bin").write_bytes(base64.b64decode("/wD+"))
    assert checked(root)[0]["module"] != first
