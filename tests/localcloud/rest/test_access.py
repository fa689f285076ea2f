"""Keys, quotas, and paths that are not there."""

import pytest

from tests.localcloud.rest.fakes import Cloud

pytestmark = pytest.mark.anyio

KEYS: list[tuple[dict[str, str], str]] = [
    ({}, "missing bearer token"),
    ({"Authorization": "local-key"}, "missing bearer token"),
    ({"Authorization": "Basic bG9jYWwta2V5"}, "missing bearer token"),
    ({"Authorization": "Bearer "}, "missing bearer token"),
    ({"Authorization": "Bearer wrong"}, "invalid API key"),
    ({"Authorization": "Bearer rpa_SECRET"}, "looks like a real RunPod API key"),
]


@pytest.mark.parametrize(("headers", "detail"), KEYS)
@pytest.mark.parametrize("path", ["/v2/serverless", "/v2/pods", "/v2/serverless/a/b/c", "/_local/faults"])
async def test_no_entry_without_the_key(
    cloud: Cloud, path: str, headers: dict[str, str], detail: str
) -> None:
    status, problem = await cloud.call("GET", path, key=None, headers=dict(headers))
    assert (status, problem["title"]) == (401, "Unauthorized")
    assert detail in problem["detail"]
    assert "SECRET" not in str(problem)
    assert cloud.headers is not None
    assert "RateLimit" not in cloud.headers


async def test_every_answer_tells_the_quota(cloud: Cloud) -> None:
    for count, path in enumerate(("/v2/serverless", "/v2/serverless/none", "/v2/pods"), start=1):
        await cloud.call("GET", path)
        assert cloud.headers is not None
        assert cloud.headers["RateLimit-Policy"] == (
            '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400'
        )
        assert cloud.headers["RateLimit"] == (
            f'"minute";r={60 - count};t=60, "hour";r={3000 - count};t=3600, "day";r={50000 - count};t=86400'
        )


async def test_past_the_quota_is_429_until_the_window_ends(cloud: Cloud) -> None:
    cloud.settings.set("rate_limits.minute=2")
    for _ in range(2):
        assert (await cloud.call("GET", "/v2/serverless"))[0] == 200
    await cloud.clock.advance(12.5)
    status, problem = await cloud.call("GET", "/v2/serverless")
    assert (status, problem["title"]) == (429, "Too Many Requests")
    assert problem["detail"] == "rate limit exceeded for the minute window"
    assert cloud.headers is not None
    assert cloud.headers["Retry-After"] == "48"
    assert cloud.headers["RateLimit"].startswith('"minute";r=0;t=48')
    await cloud.clock.advance(47.5)
    assert (await cloud.call("GET", "/v2/serverless"))[0] == 200


async def test_the_longer_windows_count_too(cloud: Cloud) -> None:
    cloud.settings.set("rate_limits.hour=1")
    await cloud.call("GET", "/v2/serverless")
    await cloud.clock.advance(61)
    status, problem = await cloud.call("GET", "/v2/serverless")
    assert (status, problem["detail"]) == (429, "rate limit exceeded for the hour window")


async def test_limits_can_be_switched_off(cloud: Cloud) -> None:
    cloud.settings.set("rate_limit=false")
    for _ in range(70):
        status, _ = await cloud.call("GET", "/v2/serverless")
        assert status == 200
    assert cloud.headers is not None
    assert "RateLimit" not in cloud.headers


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v2/serverless", "GET, POST"),
        ("POST", "/v2/serverless/abc", "GET, PATCH, DELETE"),
        ("DELETE", "/v2/catalog/gpus", "GET"),
        ("POST", "/v2/billing", "GET"),
        ("DELETE", "/v2/pods", "GET, POST"),
    ],
)
async def test_a_wrong_method_names_the_right_ones(cloud: Cloud, method: str, path: str, allow: str) -> None:
    status, problem = await cloud.call(method, path)
    assert (status, problem["title"]) == (405, "Method Not Allowed")
    assert cloud.headers is not None
    assert cloud.headers["Allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        "/v2/serverless/",
        "/v2/serverless/a/b",
        "/v2/serverless/a/workers/w",
        "/v2/catalog",
        "/v2/catalog/nothing",
        "/v2/billing/x",
        "/nothing",
    ],
)
async def test_an_unknown_path_is_a_problem(cloud: Cloud, path: str) -> None:
    status, problem = await cloud.call("GET", path)
    assert (status, problem) == (404, {"title": "Not Found", "status": 404, "detail": "resource not found"})


async def test_job_paths_are_not_taken(cloud: Cloud) -> None:
    """They fall through to whatever the daemon mounts after these routes."""
    for path in ("/v2/abcdefghijklmn/run", "/v2/serverlessx/run", "/v2/podsandmore/health"):
        status, problem = await cloud.call("GET", path, key=None)
        assert (status, problem["detail"]) == (404, "resource not found")
