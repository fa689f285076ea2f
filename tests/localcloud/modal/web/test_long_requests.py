"""A request that takes longer than Modal keeps a connection: a redirect to where the answer will be."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from modal_proto import api_pb2

from infra.localcloud.modal import web as front
from infra.localcloud.modal.model import WebRoute
from infra.localcloud.modal.web.http import CALL_ID, PATIENCE_S
from tests.localcloud.modal.stage import SUCCESS, Stage, play


def answer(text: bytes) -> list[api_pb2.DataChunk]:
    messages = [
        api_pb2.Asgi(http_response_start=api_pb2.Asgi.HttpResponseStart(status=201)),
        api_pb2.Asgi(http_response_body=api_pb2.Asgi.HttpResponseBody(body=text)),
    ]
    return [
        api_pb2.DataChunk(index=index, data=message.SerializeToString(), data_format=api_pb2.DATA_FORMAT_ASGI)
        for index, message in enumerate(messages, 1)
    ]


def test_a_long_request_is_sent_to_where_its_answer_will_be(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        hook = api_pb2.WebhookConfig(type=api_pb2.WEBHOOK_TYPE_ASGI_APP)
        await stage.publish(webhook_config=hook, timeout_secs=3600)
        stage.world.web_routes.put(WebRoute("long", "fu-1"))
        app = web.Application()
        app.add_routes(front.routes(stage.world))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/w/long/slow?a=b"
        try:
            async with aiohttp.ClientSession() as session:
                first = asyncio.ensure_future(session.get(url, allow_redirects=False))
                actor = await _actor(stage)
                (item,) = await actor.take()
                await stage.clock.advance(PATIENCE_S + 1)
                redirect = await first
                assert redirect.status == 303
                later = redirect.headers["Location"]
                assert later == f"/w/long/slow?a=b&{CALL_ID}={item.function_call_id}"
                put = api_pb2.FunctionCallPutDataRequest(
                    function_call_id=item.function_call_id, data_chunks=answer(b"at last")
                )
                await stage.tell("FunctionCallPutDataOut", put)
                async with session.get(url.partition("/w/")[0] + later) as second:
                    assert (second.status, await second.text()) == (201, "at last")
                await actor.put(item, status=SUCCESS)
        finally:
            await runner.cleanup()

    play(tmp_path, test)


async def _actor(stage: Stage) -> Any:
    """The request is on its way over a socket."""
    while not stage.actors.all:
        await stage.settle()
    return await stage.actor()
