"""GraphQL's door: keys, limits, errors, retirement, and queries that mean harm."""

import logging
from typing import Any

import pytest

from tests.localcloud.graphql.asking import ask, refused
from tests.localcloud.rest.fakes import KEY, Cloud

pytestmark = pytest.mark.anyio

ME = {"query": "{ myself { id } }"}


async def test_the_key_comes_as_bearer_or_in_the_query(cloud: Cloud) -> None:
    assert (await cloud.call("POST", "/graphql", ME))[0] == 200
    assert (await cloud.call("POST", f"/graphql?api_key={KEY}", ME, key=None))[0] == 200
    assert (await cloud.call("POST", f"/graphql?api_key={KEY}", ME, key="wrong"))[0] == 401


@pytest.mark.parametrize("path", ["/graphql", "/graphql?api_key=wrong", "/graphql?api_key=rpa_REAL"])
async def test_without_the_key_there_is_nothing(cloud: Cloud, path: str) -> None:
    status, answer = await cloud.call("POST", path, ME, key=None)
    assert status == 401
    assert "data" not in answer
    assert "rpa_REAL" not in str(answer)
    assert "wrong" not in str(answer)


async def test_limits_are_told_and_kept(cloud: Cloud) -> None:
    cloud.settings.set("rate_limits.minute=2")
    for left in (1, 0):
        assert (await cloud.call("POST", "/graphql", ME))[0] == 200
        assert cloud.headers is not None
        assert f'"minute";r={left}' in cloud.headers["RateLimit"]
    status, answer = await cloud.call("POST", "/graphql", ME)
    assert (status, answer["errors"][0]["message"]) == (429, "rate limit exceeded for the minute window")
    assert cloud.headers is not None
    assert cloud.headers["Retry-After"] == "60"


async def test_when_retired_it_is_gone(cloud: Cloud) -> None:
    cloud.settings.set("retired.graphql=true")
    status, answer = await cloud.call("POST", "/graphql", ME)
    assert (status, list(answer)) == (410, ["errors"])
    assert "retired" in answer["errors"][0]["message"]
    cloud.settings.set("retired.graphql=false")
    assert (await cloud.call("POST", "/graphql", ME))[0] == 200


async def test_v1_is_gone_unless_asked_for(cloud: Cloud) -> None:
    status, answer = await cloud.call("GET", "/v1/pods")
    assert (status, answer["status"]) == (410, 410)
    assert (await cloud.call("POST", "/v1/networkvolumes", {}, key=None))[0] == 410
    cloud.settings.set("retired.v1=false")
    assert (await cloud.call("GET", "/v1/networkvolumes", key="wrong"))[0] == 401
    assert (await cloud.call("GET", "/v1/pods"))[0] == 404
    body = {"name": "v", "size": 10, "dataCenterId": "EU-RO-1"}
    _, made = await cloud.call("POST", "/v1/networkvolumes", body)
    assert made == body | {"id": made["id"]}
    assert await cloud.call("GET", "/v1/networkvolumes") == (200, [made])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"query": 1}', 400),
        (b'{"query": "{ myself { id } }", "variables": []}', 400),
        (b'{"query": "{ myself { id } }", "operationName": 1}', 400),
        (b"[" * 100_000, 400),
    ],
)
async def test_bodies_that_are_no_request(cloud: Cloud, body: bytes, status: int) -> None:
    got, answer = await cloud.call("POST", "/graphql", body)
    assert got == status
    assert answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("{", "Syntax Error"),
        ("{ nothing }", "Cannot query field 'nothing'"),
        ("{ __schema { types { name } } }", "introspection"),
        ("{ myself { endpoint { id } } }", "endpoint(id:)"),
        ('mutation { saveEndpoint(input: {bogus: 1}) { id } }', "bogus"),
        ("{ " + "myself { " * 5000 + "id" + " }" * 5001, ""),
        ("{ " + " ".join(f"a{i}: myself {{ id }}" for i in range(6000)) + " }", "tokens"),
        ("query A { myself { id } } query B { myself { id } }", "operation"),
    ],
)  # fmt: skip
async def test_queries_that_are_refused(cloud: Cloud, query: str, reason: str) -> None:
    assert reason.lower() in (await refused(cloud, query)).lower()


async def test_a_mistake_of_ours_is_logged_and_not_shown(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise RuntimeError("canary of the inside")

    monkeypatch.setattr(cloud.service.secrets, "all", broken)
    with caplog.at_level(logging.ERROR):
        message = await refused(cloud, "{ myself { id secrets { id } } }")
    assert message == "internal error; the local cloud's log has the cause"
    assert "canary of the inside" in caplog.text


async def test_one_failing_field_leaves_the_others(cloud: Cloud) -> None:
    query = '{ myself { id } flashApp(flashAppId: "none") { id } }'
    _, answer = await cloud.call("POST", "/graphql", {"query": query})
    assert answer["data"] == {"myself": {"id": "user_local"}, "flashApp": None}
    assert answer["errors"][0]["path"] == ["flashApp"]


async def test_only_post(cloud: Cloud) -> None:
    assert (await cloud.call("GET", "/graphql?query={myself{id}}"))[0] == 405
    assert (await ask(cloud, "{ myself { id } }"))["myself"]["id"] == "user_local"
