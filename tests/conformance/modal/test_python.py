"""The official Python client and CLI of the lock judge the local Modal."""

import sys
from pathlib import Path

import pytest

from infra.localcloud.core import namespace
from tests.conformance.modal.verdicts import Verdict, judge
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-judge")

JUDGE = Path(__file__).with_name("judge.py")
CHECKS = [
    "secrets", "deploy", "deploy_without_a_change", "call", "secrets_in_containers", "map_in_order", "spawn",
    "errors_of_the_handler", "a_container_that_exits", "generators", "classes_with_parameters", "batching", "retries", "cancel", "web_endpoints",
    "volumes", "volumes_in_containers", "dicts", "queues", "schedules", "logs", "logs_of_one_call", "environments", "unknown_environment",
    "rollback", "stop",
]  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(cloud: WholeModal) -> dict[str, Verdict]:
    return judge([sys.executable, str(JUDGE)], cloud.environment(), cloud.state)


@pytest.mark.parametrize("name", CHECKS)
def test_the_client_is_content_with(verdicts: dict[str, Verdict], name: str) -> None:
    if name == "volumes_in_containers" and not namespace.possible():
        pytest.skip("this kernel allows no mount namespaces, which give containers their paths")
    assert name in verdicts
    assert not verdicts[name].error


def test_the_judge_has_no_other_checks_and_misses_no_rpc(
    cloud: WholeModal, verdicts: dict[str, Verdict]
) -> None:
    assert sorted(verdicts) == sorted(CHECKS)
    assert cloud.world.server.unknown == {}
