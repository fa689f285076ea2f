"""The variables that point every official client at the local cloud. One that is missing would reach a real one."""

import shlex
from collections.abc import Mapping
from typing import Any

from .paths import CloudPaths

LOOPBACK = ("127.0.0.1", "localhost")


def variables(record: Mapping[str, Any], paths: CloudPaths, environment: Mapping[str, str]) -> dict[str, str]:
    """By name. `environment` is the caller's, whose proxy exceptions are kept."""
    exceptions = _no_proxy(environment)
    return {
        **_runpod(record["url"], record["runpod"]["api_key"]),
        **_runpod_s3(record["runpod"]["s3"]),
        **_aws(record["s3"], paths),
        **_modal(record["modal"], paths),
        "NO_PROXY": exceptions,
        "no_proxy": exceptions,
    }


def shell(values: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _runpod(url: str, api_key: str) -> dict[str, str]:
    """Each client has its own idea of what belongs to the base; the endings are those of its default."""
    return {
        "RUNPOD_API_KEY": api_key,
        "RUNPOD_API_BASE_URL": url,
        "RUNPOD_BASE_URL": url,
        "RUNPOD_ENDPOINT_BASE_URL": f"{url}/v2",
        "RUNPOD_SERVERLESS_API_URL": f"{url}/v2",
        "RUNPOD_REST_V2_API_URL": f"{url}/v2",
        "RUNPOD_REST_API_URL": f"{url}/v1",
        "RUNPOD_API_URL": f"{url}/v1",
        "RUNPOD_GRAPHQL_URL": f"{url}/graphql",
        "RUNPOD_AUTHED_GRAPHQL_URL": f"{url}/graphql",
        "RUNPOD_PUBLIC_GRAPHQL_URL": f"{url}/graphql",
        "RUNPOD_HAPI_URL": f"{url}/hapi",
        "RUNPOD_HAPI_BASE_URL": f"{url}/hapi",
        "RUNPOD_CONSOLE_URL": url,
    }


def _runpod_s3(s3: Mapping[str, Any]) -> dict[str, str]:
    """Names of our own: clients of network volumes are S3 clients, which are given these for one volume's region."""
    return {
        "RUNPOD_S3_ENDPOINT_URL": s3["url"],
        "RUNPOD_S3_ACCESS_KEY_ID": s3["access_key_id"],
        "RUNPOD_S3_SECRET_ACCESS_KEY": s3["secret_access_key"],
    }


def _aws(s3: Mapping[str, Any], paths: CloudPaths) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": s3["url"],
        "AWS_ACCESS_KEY_ID": s3["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": s3["secret_access_key"],
        # Left over from another account, a token or a profile would go along with our keys.
        "AWS_SESSION_TOKEN": "",
        "AWS_PROFILE": "default",
        "AWS_REGION": s3["region"],
        "AWS_DEFAULT_REGION": s3["region"],
        "AWS_CONFIG_FILE": str(paths.clients / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(paths.clients / "aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _modal(modal: Mapping[str, Any], paths: CloudPaths) -> dict[str, str]:
    return {
        "MODAL_SERVER_URL": modal["server_url"],
        "MODAL_TOKEN_ID": modal["token_id"],
        "MODAL_TOKEN_SECRET": modal["token_secret"],
        "MODAL_CONFIG_PATH": str(paths.clients / "modal.toml"),
        # Left over from another account, an environment or a profile would be looked for here.
        "MODAL_ENVIRONMENT": "main",
        "MODAL_PROFILE": "",
    }


def _no_proxy(environment: Mapping[str, str]) -> str:
    named = ",".join((environment.get("NO_PROXY", ""), environment.get("no_proxy", ""), *LOOPBACK))
    return ",".join(dict.fromkeys(host.strip() for host in named.split(",") if host.strip()))
