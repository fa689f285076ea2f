"""`{{ RUNPOD_SECRET_name }}` in an environment: the account's secret of that name, put in when a container starts."""

import re
from collections.abc import Mapping

from infra.localcloud.runpod.model import Secrets
from infra.spec.errors import PilotlightError

_REFERENCE = re.compile(r"\{\{\s*RUNPOD_SECRET_([A-Za-z0-9_.-]+)\s*\}\}", re.ASCII)


class SecretMissing(PilotlightError):
    """The environment refers to a secret that the account does not have."""


def with_secrets(environment: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """Raises SecretMissing, which names the variable and no value."""
    return {name: _filled(name, value, secrets) for name, value in environment.items()}


def _filled(name: str, value: str, secrets: Secrets) -> str:
    def of(match: re.Match[str]) -> str:
        secret = secrets.secret(match[1])
        if secret is None:
            raise SecretMissing(
                f"the environment variable {name} refers to the secret {match[1]!r}, which does not exist",
                fix="create it, then start this again",
            )
        return secret

    return _REFERENCE.sub(of, value)
