"""Asks a cloud in GraphQL."""

from typing import Any

from tests.localcloud.rest.fakes import Cloud


async def ask(cloud: Cloud, query: str, **variables: Any) -> dict[str, Any]:
    """`data`, of an answer without errors."""
    status, answer = await cloud.call("POST", "/graphql", {"query": query, "variables": variables})
    assert status == 200
    assert "errors" not in answer, answer
    return dict(answer["data"])


async def refused(cloud: Cloud, query: str, **variables: Any) -> str:
    """The first error's message; errors come with status 200."""
    status, answer = await cloud.call("POST", "/graphql", {"query": query, "variables": variables})
    assert status == 200
    return str(answer["errors"][0]["message"])
