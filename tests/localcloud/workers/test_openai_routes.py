"""The /openai/… routes with the official worker: whole answers, streams, errors, clients that go away."""

import asyncio
import json

import pytest

pytestmark = pytest.mark.xdist_group("workers")

VLLM = """
import asyncio, json
import runpod

async def handler(job):
    route, body = job["input"]["openai_route"], job["input"].get("openai_input")
    if body is None:
        yield {"object": "list", "data": [{"id": "tiny", "object": "model"}], "route": route}
    elif body.get("model") == "wrong":
        yield {"object": "error", "message": "no model wrong", "type": "NotFoundError", "code": 404}
    elif body.get("model") == "broken":
        raise ValueError("the handler broke")
    elif body.get("model") == "half":
        yield "data: one\\n\\n"
        raise ValueError("the handler broke half way")
    elif body.get("model") == "slow":
        yield "data: begun\\n\\n"
        await asyncio.Event().wait()
    elif body.get("stream"):
        for word in ("grüezi", "mitenand"):
            yield "data: " + json.dumps({"choices": [{"delta": {"content": word}}]}) + "\\n\\n"
        yield "data: [DONE]\\n\\n"
    else:
        yield {"id": "chat-1", "choices": [{"message": {"content": body["messages"][0]["content"]}}]}

runpod.serverless.start({"handler": handler, "return_aggregate_stream": True, "concurrency_modifier": lambda c: 8})
"""


def test_openai_routes(real):
    async def test(cloud):
        await cloud.apply(workers_min=1, workers_max=1)
        models = await cloud.call("GET", "openai/v1/models")
        assert (models["data"][0]["id"], models["route"]) == ("tiny", "/v1/models")
        ask = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}
        answer = await cloud.call("POST", "openai/v1/chat/completions", ask)
        assert answer["choices"][0]["message"]["content"] == "hello"
        wrong = await cloud.call("POST", "openai/v1/chat/completions", {"model": "wrong"}, expect=404)
        assert wrong["message"] == "no model wrong"
        broken = await cloud.call("POST", "openai/v1/chat/completions", {"model": "broken"}, expect=500)
        assert broken["error"]["message"] == "the handler broke"
        url = f"{cloud.url}/v2/{cloud.record.id}/openai/v1/chat/completions"
        auth = {"Authorization": "Bearer local-key"}
        async with cloud.session.post(url, json=ask | {"stream": True}, headers=auth) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            events = (await stream.text()).split("\n\n")
        assert [json.loads(e[6:])["choices"][0]["delta"]["content"] for e in events[:2]] == [
            "grüezi",
            "mitenand",
        ]
        assert events[2:] == ["data: [DONE]", ""]
        body = {"model": "half", "stream": True}
        async with cloud.session.post(url, json=body, headers=auth) as stream:
            text = await stream.text()
        assert text.startswith("data: one\n\n")
        assert json.loads(text.split("\n\n")[1][6:])["error"]["message"] == "the handler broke half way"
        await cloud.call("POST", "openai/v1/chat/completions", b"{", expect=400)
        await cloud.call("POST", "openai/v1/chat/completions", ask, key="other", expect=401)

    real(VLLM, test)


def test_a_request_whose_client_has_gone_is_cancelled(real, monkeypatch):
    monkeypatch.setattr("infra.localcloud.runpod.jobs.openai.LOOK_S", 0.05)

    async def test(cloud):
        await cloud.apply(workers_min=1, workers_max=1)
        url = f"{cloud.url}/v2/{cloud.record.id}/openai/v1/chat/completions"
        body = {"model": "slow", "stream": True}
        async with cloud.session.post(url, json=body, headers={"Authorization": "local-key"}) as stream:
            assert await stream.content.readuntil(b"\n\n") == b"data: begun\n\n"
            stream.close()
        (job,) = cloud.fleet._endpoints[cloud.record.id].queue.jobs.values()
        await cloud.until(lambda: job.status.value == "CANCELLED")

    real(VLLM, test)


def test_a_result_that_does_not_come_in_time_is_a_504(played):
    async def test(cloud):
        await cloud.apply(timeout_ms=5000)
        asked = asyncio.ensure_future(cloud.call("POST", "openai/v1/x", {"a": 1}, expect=504))
        worker = await cloud.actor()
        job = await worker.take()
        assert job["input"] == {"openai_route": "/v1/x", "openai_input": {"a": 1}}
        while not asked.done():
            await cloud.clock.advance(1)
            await asyncio.sleep(0)
        assert "executionTimeout" in (await asked)["error"]["message"]

    played(test)
