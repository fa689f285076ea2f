"""Reads, checks and executes one GraphQL request."""

import logging
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    build_schema,
    execute,
    parse,
    specified_rules,
    validate,
)

from infra.localcloud.runpod.graphql.root import root_fields
from infra.localcloud.runpod.rest.problems import Problem
from infra.localcloud.runpod.rest.service import RestService

_log = logging.getLogger(__name__)

MAX_TOKENS = 20_000
_CODES = {
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    422: "BAD_USER_INPUT",
}


class Executor:
    def __init__(self, service: RestService) -> None:
        self._root = root_fields(service)

    async def run(
        self, query: str, variables: dict[str, Any] | None, operation: str | None
    ) -> dict[str, Any]:
        """The answer: `data`, and `errors` if there were any. Raises for nothing that a request can contain."""
        try:
            document = _document(query)
            result: Any = execute(
                _schema(),
                document,
                self._root,
                variable_values=variables,
                operation_name=operation,
            )
            if hasattr(result, "__await__"):
                result = await result
        except GraphQLError as error:
            return {"errors": [_told(error)]}
        except RecursionError:
            return {"errors": [{"message": "the query is nested too deeply"}]}
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_told(error) for error in result.errors]
        return answer


@cache
def _schema() -> GraphQLSchema:
    return build_schema(Path(__file__).with_name("schema.graphql").read_text())


def _document(query: str) -> DocumentNode:
    """Introspection is off, as in production. Raises GraphQLError for the first thing that is wrong."""
    document = parse(query, no_location=False, max_tokens=MAX_TOKENS)
    errors = validate(_schema(), document, [*specified_rules, NoSchemaIntrospectionCustomRule])
    if errors:
        raise errors[0]
    return document


def _told(error: GraphQLError) -> dict[str, Any]:
    cause = error.original_error
    if cause is None or isinstance(cause, GraphQLError):
        told: dict[str, Any] = {
            "message": error.message,
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
        }
    elif isinstance(cause, Problem):
        told = {"message": cause.detail, "extensions": {"code": _CODES.get(cause.status, "BAD_USER_INPUT")}}
    else:
        _log.error("a GraphQL resolver failed", exc_info=cause)
        told = {"message": "internal error; the local cloud's log has the cause"}
        told["extensions"] = {"code": "INTERNAL_SERVER_ERROR"}
    if error.path:
        told["path"] = error.path
    return told
