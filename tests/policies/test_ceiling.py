"""`endpoint-ceiling`: every worker of an endpoint, all month, in cents."""

import pytest

from infra.spec.findings import UNKNOWN, Severity
from tests.policies.judged import L4, app, findings, view


@pytest.mark.parametrize(("most", "limit", "passes"), [(3, 1497.96, True), (3, 1497.95, False), (0, 1, True)])
def test_the_ceiling_counts_every_worker_all_month(most: int, limit: float, passes: bool) -> None:
    found = findings("endpoint-ceiling", view(gpu=L4, workers={"max": most}), max_usd_per_month=str(limit))
    assert (found == []) is passes


def test_the_ceiling_names_number_limit_and_fix() -> None:
    [finding] = findings("endpoint-ceiling", view(gpu=L4, workers={"max": 3.0}), max_usd_per_month="1000")
    assert finding.path == "workers.max"
    assert "$1,497.96" in finding.message
    assert "$1,000" in finding.message
    assert finding.fix == "lower workers.max to 2"


def test_the_ceiling_takes_the_dearest_card_and_all_gpus_of_a_worker() -> None:
    two = {"pools": ["AMPERE_24", "ADA_80_PRO"], "count": 2}
    [finding] = findings("endpoint-ceiling", view(gpu=two, workers={"max": 1}), max_usd_per_month="1")
    assert "$6,096.96" in finding.message  # 4.176 x 2 x 730


def test_workers_left_out_count_as_the_cloud_s_default() -> None:
    [finding] = findings("endpoint-ceiling", view(gpu=L4), max_usd_per_month="9")
    assert finding.message.startswith("3 workers")


def test_an_app_on_modal_is_held_to_the_same_ceiling() -> None:
    # (0.7992 + 0.125 x 0.04716 + 0.125 x 0.007992) x 730 x 2 and (3.9492 + 0.006894) x 730 x 2
    found = app(
        Small={"gpu": ["L4"], "maxContainers": 2}, Large={"gpu": ["T4", "H100"], "maxContainers": 2.0}
    )
    [finding] = findings("endpoint-ceiling", found, max_usd_per_month="5000")
    assert finding.path == "classes.Large.maxContainers"
    assert "4 workers all month cost $6,952.80" in finding.message
    assert finding.fix == "lower classes.Large.maxContainers to 1"
    assert findings("endpoint-ceiling", found, max_usd_per_month="6952.80") == []


def test_an_app_without_a_bound_fails_closed() -> None:
    [finding] = findings("endpoint-ceiling", app(Model={"gpu": ["L4"]}), max_usd_per_month="5000")
    assert finding.severity is Severity.ERROR
    assert "classes.Model.maxContainers" in finding.message


def test_several_gpus_of_a_container_all_count() -> None:
    one = app(Model={"gpu": ["L4"], "maxContainers": 1})
    two = app(Model={"gpu": ["L4:2"], "maxContainers": 1})
    assert findings("endpoint-ceiling", one, max_usd_per_month="600") == []
    assert findings("endpoint-ceiling", two, max_usd_per_month="600") != []


def test_an_unknown_pool_fails_closed() -> None:
    gpu = {"pools": ["NOVEL_999"]}
    [finding] = findings("endpoint-ceiling", view(gpu=gpu, workers={"max": 1}), max_usd_per_month="9")
    assert finding.severity is Severity.ERROR


def test_unknown_workers_are_deferred() -> None:
    [finding] = findings("endpoint-ceiling", view(gpu=L4, workers=UNKNOWN), max_usd_per_month="9")
    assert finding.severity is Severity.DEFERRED
