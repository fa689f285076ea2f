"""RunPod's GraphQL API as far as its Python SDK, its CLI and flash use it, and its secrets, which REST v2 lacks."""

from infra.localcloud.runpod.graphql.route import graphql_routes

__all__ = ["graphql_routes"]
