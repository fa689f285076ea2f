"""The official `runpod.serverless` worker as a real process."""

import pytest

pytestmark = pytest.mark.xdist_group("workers")

ECHO = """
import runpod

def handler(job):
    return {"echo": job["input"]}

runpod.serverless.start({"handler": handler})
"""


def test_a_request_wakes_a_worker_from_zero_and_gets_its_result(real):
    async def test(cloud):
        await cloud.apply()
        assert cloud.fleet.workers(cloud.record.id) == []
        answer = await cloud.call("POST", "runsync", {"input": {"word": "grüezi"}})
        assert answer["status"] == "COMPLETED"
        assert answer["output"] == {"echo": {"word": "grüezi"}}
        (worker,) = cloud.fleet.workers(cloud.record.id)
        assert answer["workerId"] == worker.id

    real(ECHO, test)
