"""What counts as a job."""

import json

import pytest

from infra.localcloud.runpod.jobs.request import BadRequest, JobRequest, parse


def test_a_whole_request():
    body = {
        "input": None,
        "webhook": "http://127.0.0.1:1/hook",
        "policy": {"executionTimeout": 5000, "ttl": 10_000, "lowPriority": True},
        "s3Config": {"accessId": "x"},
    }
    assert parse(json.dumps(body).encode()) == JobRequest(None, "http://127.0.0.1:1/hook", 5.0, 10.0, True)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[1]", '"input"'),
        (b'{"inputs": 1}', '"input"'),
        (b'{"input": 1, "webhook": "file:///etc/passwd"}', "webhook"),
        (b'{"input": 1, "policy": [1]}', "policy"),
        (b'{"input": 1, "policy": {"executionTimeout": 4999}}', "executionTimeout"),
        (b'{"input": 1, "policy": {"executionTimeout": true}}', "executionTimeout"),
        (b'{"input": 1, "policy": {"ttl": 604800001}}', "ttl"),
        (b'{"input": 1, "policy": {"ttl": "1h"}}', "ttl"),
    ],
)
def test_what_is_not_a_job_is_refused_with_the_reason(body, says):
    with pytest.raises(BadRequest, match=says):
        parse(body)
