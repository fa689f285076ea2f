"""From counts and settings to a number of containers."""

from modal_proto import api_pb2

from infra.localcloud.modal.containers.scheduler import (
    CEILING,
    HARD_CEILING,
    START_S,
    Load,
    Rules,
    look_again_s,
    rules_of,
    surplus,
    wanted,
)
from infra.localcloud.modal.model import FunctionRecord


def record(function: api_pb2.Function, **settings: int) -> FunctionRecord:
    data = api_pb2.FunctionData()
    data.ranked_functions.add(function=function)
    handle = api_pb2.FunctionHandleMetadata()
    return FunctionRecord("fu-1", "ap-1", "f", handle, data, settings=api_pb2.AutoscalerSettings(**settings))  # type: ignore[arg-type]


def test_nothing_to_do_needs_the_minimum_only() -> None:
    assert wanted(Rules(), Load()) == 0
    assert wanted(Rules(minimum=2), Load()) == 2


def test_each_input_gets_a_container_up_to_the_maximum() -> None:
    assert wanted(Rules(maximum=8), Load(queued=3)) == 3
    assert wanted(Rules(maximum=8), Load(queued=300)) == 8
    assert wanted(Rules(maximum=8), Load(queued=2, running=1, live=1)) == 3


def test_without_a_maximum_this_machine_sets_one() -> None:
    assert wanted(Rules(), Load(queued=300)) == CEILING


def test_inputs_that_wait_for_their_own_calls_make_room_for_these() -> None:
    assert wanted(Rules(), Load(queued=5, running=CEILING, live=CEILING, blocked=CEILING)) == CEILING + 5
    assert wanted(Rules(), Load(queued=500, running=400, live=400, blocked=400)) == HARD_CEILING


def test_the_buffer_is_added_while_there_is_load() -> None:
    assert wanted(Rules(buffer=2), Load()) == 0
    assert wanted(Rules(buffer=2), Load(queued=1)) == 3


def test_containers_are_shared_up_to_the_target() -> None:
    rules = rules_of(record(api_pb2.Function(max_concurrent_inputs=10, target_concurrent_inputs=4)))
    assert wanted(rules, Load(queued=9)) == 3


def test_a_batch_counts_as_one() -> None:
    rules = rules_of(record(api_pb2.Function(batch_max_size=4)))
    assert wanted(rules, Load(queued=8)) == 2


def test_no_container_is_started_for_what_will_be_done_before_it_is_ready() -> None:
    quick = Load(queued=100, running=1, live=1, ready=1, pace_s=START_S / 1000)
    assert wanted(Rules(), quick) == 1
    slow = Load(queued=100, running=1, live=1, ready=1, pace_s=START_S)
    assert wanted(Rules(), slow) == CEILING


def test_a_queue_of_which_nothing_is_taken_gets_containers_whatever_the_pace_was() -> None:
    load = Load(queued=1, running=1, live=1, ready=1, pace_s=0.001)
    assert wanted(Rules(), load) == 1
    assert look_again_s(load) == START_S
    stalled = Load(queued=1, running=1, live=1, ready=1, pace_s=0.001, stalled_s=START_S)
    assert wanted(Rules(), stalled) == 2
    assert look_again_s(stalled) is None


def test_only_what_the_load_does_not_need_may_end() -> None:
    assert surplus(Rules(minimum=1), Load(live=4)) == 3
    assert surplus(Rules(), Load(running=2, live=4)) == 2
    assert surplus(Rules(maximum=1), Load(queued=9, live=3)) == 2


def test_a_class_that_needs_parameters_keeps_no_containers_without_them() -> None:
    info = api_pb2.ClassParameterInfo(schema=[api_pb2.ClassParameterSpec(name="size")])
    base = record(api_pb2.Function(is_class=True, class_parameter_info=info), min_containers=2)
    assert rules_of(base).minimum == 0
    base.base_id = "fu-0"
    assert rules_of(base).minimum == 2


def test_containers_that_listen_on_a_port_come_one_at_a_time() -> None:
    hook = api_pb2.WebhookConfig(type=api_pb2.WEBHOOK_TYPE_WEB_SERVER, web_server_port=8000)
    rules = rules_of(record(api_pb2.Function(webhook_config=hook), max_containers=10, min_containers=3))
    assert (rules.minimum, rules.maximum) == (1, 1)
