"""Three engines, one answer; and what each cloud does, worked out by hand."""

from random import Random

import pytest

from infra.planning import kernel
from infra.planning.engine import run_single
from infra.planning.kernel import run_kernel
from infra.planning.run import Boot, Outcome, Policy
from infra.planning.sharing import Sharing
from infra.planning.simulate import simulate

Scene = tuple[list[float], list[float], Policy, list[Boot], float]


def scene(seed: int) -> Scene:
    """Bursts and silences, few and many workers, both rules, boots of different lengths."""
    source = Random(seed)
    now, arrivals = 0.0, []
    for _ in range(source.randint(1, 80)):
        now += source.choice([source.expovariate(1), source.expovariate(0.05), source.uniform(0, 200)])
        arrivals.append(now)
    services = [source.choice([source.expovariate(0.1), source.uniform(1, 20)]) for _ in arrivals]
    least = source.randint(0, 3)
    rule = source.choice(["request_count", "queue_delay"])
    policy = Policy(
        minimum=least,
        maximum=max(1, least + source.randint(0, 4)),
        idle_timeout_s=source.choice([0.5, 1.01, 5.03, 60.07]),
        rule=rule,  # type: ignore[arg-type]
        value=source.choice([1, 2, 4, 15] if rule == "request_count" else [0.5, 4, 15]),
        whole_seconds=source.random() < 0.5,
        caps=((200.0, 2), (400.0, 1)) if source.random() < 0.2 else (),
    )
    boots = [Boot(t := source.uniform(0, 30), t * source.random()) for _ in range(source.randint(1, 5))]
    return arrivals, services, policy, boots, now + source.choice([0, 10, 5000])


def same(one: Outcome, other: Outcome, within: float) -> None:
    assert one.billed_s == pytest.approx(other.billed_s, rel=within, abs=within)
    assert one.busy_s == pytest.approx(other.busy_s, rel=within, abs=within)
    assert list(one.waits) == pytest.approx(list(other.waits), rel=within, abs=within)
    assert (one.boots, one.cold, one.peak) == (other.boots, other.cold, other.peak)


def test_two_independent_engines_agree_to_a_billionth() -> None:
    for seed in range(400):
        same(run_single(*scene(seed)), run_kernel(*scene(seed), compiled=False), 1e-9)


def test_the_engine_for_shared_workers_agrees_where_nothing_is_shared() -> None:
    for seed in range(400):
        arrivals, services, policy, boots, horizon = scene(seed)
        same(
            run_single(arrivals, services, policy, boots, horizon),
            Sharing(arrivals, services, policy, boots, horizon).run(),
            1e-6,
        )


@pytest.mark.skipif(not kernel.available(), reason="numba is not installed (dependency group `fast`)")
def test_compiling_changes_nothing() -> None:
    for seed in range(50):
        same(run_kernel(*scene(seed)), run_kernel(*scene(seed), compiled=False), 1e-12)


def test_one_cold_request_pays_its_boot_and_the_worker_its_idle_time() -> None:
    # boot 20 s of which 5 s unbilled, 3 s of work, 10 s idle: 15 + 3 + 10
    outcome = run_single([0.0], [3.0], Policy(0, 3, 10.0), [Boot(20.0, 5.0)], 1000.0)
    assert (outcome.billed_s, list(outcome.waits), outcome.cold, outcome.busy_s) == (28.0, [20.0], 1, 3.0)


def test_each_worker_that_is_let_go_is_billed_until_it_has_stopped() -> None:
    at_once = Policy(maximum=1, idle_timeout_s=5.0)
    slowly = Policy(maximum=1, idle_timeout_s=5.0, stop_s=1.5)
    requests = ([0.0, 100.0], [1.0, 1.0])
    first, second = (simulate(*requests, policy, [Boot(2.0)], 1000.0) for policy in (at_once, slowly))
    assert second.billed_s == first.billed_s + 2 * 1.5
    assert second.waits == first.waits


def test_a_started_second_is_billed_in_full_for_each_run() -> None:
    exact = Policy(0, 3, 10.0, whole_seconds=False)
    whole = Policy(0, 3, 10.0)
    given = ([0.0, 100.0], [0.25, 0.25], [Boot(0.5)], 1000.0)
    assert run_single(*given[:2], exact, *given[2:]).billed_s == pytest.approx(21.5)
    assert run_single(*given[:2], whole, *given[2:]).billed_s == 22.0


def test_boots_are_not_cancelled_when_somebody_else_takes_the_request() -> None:
    # the second request boots a worker, but the first worker is free again before that
    outcome = run_single([0.0, 21.0], [5.0, 5.0], Policy(0, 3, 100.0), [Boot(20.0)], 1000.0)
    assert outcome.boots == 2
    assert list(outcome.waits) == [20.0, 4.0]
    assert outcome.cold == 1


def test_request_count_adds_one_worker_for_every_few_requests() -> None:
    arrivals, services = [0.0, 1.0, 2.0, 3.0, 4.0], [100.0] * 5
    for value, boots in ((1, 5), (2, 3), (4, 2)):
        assert run_single(arrivals, services, Policy(0, 9, 5.0, value=value), [Boot(0.5)], 1e4).boots == boots


def test_queue_delay_starts_the_first_at_once_and_the_next_after_the_delay() -> None:
    policy = Policy(0, 9, 60.0, rule="queue_delay", value=4.0)
    # 0: boot at once, ready at 10; at 4 the head of the queue has waited 4 s and two wait for one: ready at 14
    outcome = run_single([0.0, 1.0], [100.0, 1.0], policy, [Boot(10.0)], 1000.0)
    assert list(outcome.waits) == [10.0, 13.0]


def test_the_minimum_is_billed_around_the_clock_and_never_goes() -> None:
    outcome = run_single([500.0], [1.0], Policy(2, 3, 5.0), [Boot(9.0)], 1000.0)
    assert (outcome.billed_s, list(outcome.waits), outcome.boots) == (2000.0, [0.0], 0)


def test_modals_spare_worker_takes_a_burst_that_would_start_cold() -> None:
    arrivals, services = [0.0, 30.0, 31.0], [60.0, 5.0, 5.0]
    plain = simulate(arrivals, services, Policy(0, 5, 300.0), [Boot(10.0)], 1e4)
    spare = simulate(arrivals, services, Policy(0, 5, 300.0, buffer=1), [Boot(10.0)], 1e4)
    assert list(plain.waits) == [10.0, 10.0, 10.0]
    assert list(spare.waits)[:2] == [10.0, 0.0]
    assert spare.billed_s > plain.billed_s


def test_requests_that_share_a_worker_slow_each_other_down() -> None:
    # alone 10 s; two together at 0.5 each: the second joins at 5 s, the first has 5 s left at half speed
    policy = Policy(0, 1, 0.0, value=2, concurrency=2, rates=(1.0, 0.5), whole_seconds=False)
    outcome = simulate([0.0, 5.0], [10.0, 10.0], policy, [Boot(0.0)], 1e4)
    assert outcome.billed_s == pytest.approx(20.0)
    free = simulate(
        [0.0, 5.0],
        [10.0, 10.0],
        Policy(0, 1, 0.0, value=2, concurrency=2, rates=(1.0, 1.0)),
        [Boot(0.0)],
        1e4,
    )
    assert free.billed_s == pytest.approx(15.0)


@pytest.mark.parametrize(("pick", "workers"), [("least", 2), ("fullest", 1)])
def test_the_emptiest_or_the_fullest_takes_the_next(pick: str, workers: int) -> None:
    policy = Policy(2, 2, 1e9, value=4, concurrency=4, rates=(1.0,) * 4, pick=pick)  # type: ignore[arg-type]
    run = Sharing([0.0, 1.0], [50.0, 50.0], policy, [Boot(0.0)], 100.0)
    outcome = run.run()
    assert outcome.busy_s == pytest.approx({2: 50.0 + 50.0, 1: 51.0}[workers])


def test_nobody_raises_what_runpod_lowered() -> None:
    policy = Policy(0, 3, 5.0, caps=((50.0, 0),))
    outcome = run_single([0.0, 100.0], [1.0, 1.0], policy, [Boot(2.0)], 1000.0)
    assert list(outcome.waits) == [2.0, float("inf")]


def test_no_requests_cost_nothing_but_the_minimum() -> None:
    assert run_single([], [], Policy(0, 3, 5.0), [Boot(2.0)], 100.0) == Outcome(0.0, 0.0, 0, 0, [], 0)
    assert run_single([], [], Policy(1, 3, 5.0), [Boot(2.0)], 100.0).billed_s == 100.0


def test_quantiles_are_of_the_requests_themselves() -> None:
    outcome = Outcome(0, 0, 0, 0, [float(number) for number in range(1, 101)], 0)
    assert outcome.wait(0.5, 0.95, 0.99, 1.0, 0.0) == [50.0, 95.0, 99.0, 100.0, 1.0]
