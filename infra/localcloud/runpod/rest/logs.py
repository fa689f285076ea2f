"""Logs of workers and of pods: server-sent events, resumable where a client left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from infra.localcloud.runpod.model import LogLine
from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.access import RATE_HEADERS
from infra.localcloud.runpod.rest.problems import invalid, not_found
from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.times import fine_timestamp, parse_timestamp

MAX_TAIL = 5000
KEEP_ALIVE_S = 15.0


class LogHandlers:
    def __init__(self, service: RestService) -> None:
        self._service = service

    async def worker(self, request: web.Request) -> web.StreamResponse:
        service = self._service
        endpoint_id, worker_id = (
            service.endpoint(request.match_info["id"])["id"],
            request.match_info["workerId"],
        )
        asked = _asked(request)
        first = None
        try:
            lines = service.fleet.logs(
                endpoint_id, worker_id, tail=asked.tail, after=asked.after, follow=True
            )
            if worker_id not in {worker.id for worker in service.fleet.workers(endpoint_id)}:
                # Not there now: either one that is gone, whose lines may still be kept, or none that ever was.
                first = await anext(lines, None)
        except KeyError:
            raise not_found("worker") from None
        return await self._stream(request, asked, lines, first)

    async def pod(self, request: web.Request) -> web.StreamResponse:
        pod_id = self._service.pods.rows.get(request.match_info["id"])["id"]
        asked = _asked(request)
        lines = self._service.pods.host.logs(pod_id, tail=asked.tail, after=asked.after, follow=True)
        return await self._stream(request, asked, lines, None)

    async def _stream(
        self, request: web.Request, asked: "_Asked", lines: AsyncIterator[LogLine], first: LogLine | None
    ) -> web.StreamResponse:
        """Past lines, then new ones until the container is gone, the client leaves or the local cloud stops."""
        rate_headers = request[RATE_HEADERS]
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-cache",
                "Connection": "keep-alive",
                "X-Accel-Buffering": "no",
                **rate_headers,
            }
        )
        await response.prepare(request)
        try:
            async for line in self._until_closing(lines, first, response):
                if asked.wants(line):
                    await response.write(_event(line))
        except (ConnectionError, KeyError):
            pass
        return response

    async def _until_closing(
        self, lines: AsyncIterator[LogLine], first: LogLine | None, response: web.StreamResponse
    ) -> AsyncIterator[LogLine]:
        """The lines, with a comment sent whenever none has come for a while: writing is how a gone client shows."""
        if first is not None:
            yield first
        closing = asyncio.ensure_future(self._service.closing.wait())
        coming: asyncio.Future[LogLine | None] = asyncio.ensure_future(_next(lines))
        quiet = asyncio.ensure_future(self._service.clock.sleep(KEEP_ALIVE_S))
        try:
            while not closing.done():
                waited_for: list[asyncio.Future[Any]] = [closing, coming, quiet]
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    line = coming.result()
                    if line is None:
                        return
                    yield line
                    coming = asyncio.ensure_future(_next(lines))
                elif quiet.done():
                    await response.write(b": keep-alive\n\n")
                    quiet = asyncio.ensure_future(self._service.clock.sleep(KEEP_ALIVE_S))
        finally:
            tasks = (closing, coming, quiet)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _next(lines: AsyncIterator[LogLine]) -> LogLine | None:
    return await anext(lines, None)


@dataclass(frozen=True)
class _Asked:
    """Which lines: of this source (None: both), the last `tail`, or all after a moment and a line already seen."""

    source: str | None
    tail: int
    after: tuple[float, int] | None
    last_seq: int

    def wants(self, line: LogLine) -> bool:
        seen = line.seq <= self.last_seq or (self.after is not None and line.ts < self.after[0])
        return not seen and self.source in (None, line.source)


def _asked(request: web.Request) -> _Asked:
    source = query.one(request, "source", ("container", "system"))
    tail = query.whole(request, "tail", 0, MAX_TAIL)
    after, last_seq = _resume_point(request, query.moment(request, "since"))
    return _Asked(source, MAX_TAIL if after else 100 if tail is None else tail, after, last_seq)


def _resume_point(request: web.Request, since: float | None) -> tuple[tuple[float, int] | None, int]:
    """Where to go on, and the number of the last line already seen. Last-Event-ID goes before `since`.

    The time alone bounds what is fetched: an id's time is rounded down, so comparing pairs would repeat or lose a line.
    """
    last_id = request.headers.get("Last-Event-ID")
    if last_id is None:
        return (None if since is None else (since, -1)), -1
    moment, _, seq = last_id.partition("/")
    try:
        return (parse_timestamp(moment), -1), int(seq or -1)
    except ValueError as error:
        raise invalid([f"Last-Event-ID: '{last_id}' is not valid date-time"]) from error


def _event(line: LogLine) -> bytes:
    ts = fine_timestamp(line.ts)
    data = json.dumps({"ts": ts, "source": line.source, "line": line.line})
    return f"id: {ts}/{line.seq:012d}\ndata: {data}\n\n".encode()
