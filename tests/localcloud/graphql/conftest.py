"""The cloud of the REST tests answers GraphQL too."""

from tests.localcloud.rest.conftest import anyio_backend, cloud

__all__ = ["anyio_backend", "cloud"]
