"""Every field of Query and Mutation, and what answers it. A value that can be called is asked with the arguments."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.graphql.account import account_fields
from infra.localcloud.runpod.graphql.catalog import catalog_fields
from infra.localcloud.runpod.graphql.endpoints import endpoint_fields
from infra.localcloud.runpod.graphql.flash import flash_fields
from infra.localcloud.runpod.graphql.pods import pod_fields
from infra.localcloud.runpod.graphql.registries import registry_fields
from infra.localcloud.runpod.graphql.secrets import secret_fields
from infra.localcloud.runpod.graphql.templates import template_fields
from infra.localcloud.runpod.graphql.volumes import volume_fields
from infra.localcloud.runpod.rest.service import RestService

Fields = dict[str, Callable[..., Any]]


def root_fields(service: RestService) -> Fields:
    return {
        **account_fields(service),
        **catalog_fields(service),
        **endpoint_fields(service),
        **flash_fields(service),
        **pod_fields(service),
        **registry_fields(service),
        **secret_fields(service),
        **template_fields(service),
        **volume_fields(service),
    }
