"""Secrets: in, and never out."""

import logging
import stat
from pathlib import Path

import pytest

from infra.localcloud.runpod.rest.secretbook import SecretBook
from infra.localcloud.runpod.secrets import with_secrets
from tests.localcloud.graphql.asking import ask, refused
from tests.localcloud.rest.fakes import Cloud

pytestmark = pytest.mark.anyio

CANARY = "hf_canary-4711"
CREATE = "mutation ($input: SecretCreateInput!) { secretCreate(input: $input) { id name description } }"
LIST = "{ myself { secrets { id name description createdAt } } }"


async def create(cloud: Cloud, name: str = "hf_token", value: str = CANARY) -> str:
    made = await ask(cloud, CREATE, input={"name": name, "value": value, "description": "mark"})
    return str(made["secretCreate"]["id"])


async def test_from_create_to_delete(cloud: Cloud) -> None:
    id = await create(cloud)
    listed = (await ask(cloud, LIST))["myself"]["secrets"]
    assert [(secret["id"], secret["name"], secret["description"]) for secret in listed] == [
        (id, "hf_token", "mark")
    ]
    assert cloud.service.secrets.secret("hf_token") == CANARY
    assert CANARY not in str(cloud.service.secrets.all()), "whoever lists them, gets no value"
    change = "mutation ($input: SecretValueUpdateInput!) { secretValueUpdate(input: $input) { id name } }"
    await ask(cloud, change, input={"id": id, "value": "new"})
    assert cloud.service.secrets.secret("hf_token") == "new"
    describe = (
        "mutation ($input: SecretDescriptionUpdateInput!) "
        "{ secretDescriptionUpdate(input: $input) { description } }"
    )
    told = await ask(cloud, describe, input={"id": id, "description": "other"})
    assert told["secretDescriptionUpdate"] == {"description": "other"}
    delete = "mutation ($id: ID!) { secretDelete(id: $id) }"
    assert await ask(cloud, delete, id=id) == {"secretDelete": None}
    assert await refused(cloud, delete, id=id) == "secret not found"
    assert cloud.service.secrets.secret("hf_token") is None


async def test_no_query_and_no_log_has_a_value(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await create(cloud)
        assert "Cannot query field 'value'" in await refused(cloud, "{ myself { secrets { value } } }")
        for value in (CANARY, "", CANARY * 20_000):
            message = await refused(
                cloud, CREATE, input={"name": "hf_token", "value": value, "description": ""}
            )
            assert CANARY not in message
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("hf_token", "x", "secret name must be unique: 'hf_token' already exists"),
        ("", "x", "secret name must be 1 to 128 letters"),
        ("a b", "x", "secret name must be 1 to 128 letters"),
        ("a}}", "x", "secret name must be 1 to 128 letters"),
        ("n" * 129, "x", "secret name must be 1 to 128 letters"),
        ("other", "", "secret value must not be empty"),
        ("other", "x" * 65_537, "secret value must not be longer than 65536 bytes"),
    ],
)
async def test_what_is_refused(cloud: Cloud, name: str, value: str, reason: str) -> None:
    await create(cloud)
    given = {"name": name, "value": value, "description": ""}
    assert reason in await refused(cloud, CREATE, input=given)
    assert cloud.service.secrets.secret("hf_token") == CANARY


async def test_a_restart_keeps_them_and_only_the_owner_may_read_the_file(
    cloud: Cloud, tmp_path: Path
) -> None:
    await create(cloud)
    again = SecretBook(cloud.store, cloud.clock)
    assert with_secrets({"A": "x-{{ RUNPOD_SECRET_hf_token }}"}, again) == {"A": f"x-{CANARY}"}
    for file in tmp_path.glob("cloud.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
