"""The rendered app, run for real by RunPod's own worker SDK against RunPod's side of the protocol."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import pytest
from platform_server import Platform

HEAD = "class Model:\n    def load(self, weights):\n        self.weights = weights\n"


@pytest.fixture
def running(app, tmp_path):
    """`async with running(source, **env) as (platform, worker)`."""

    @asynccontextmanager
    async def start(source, **env):
        target = app(source)
        async with (
            Platform().serve() as platform,
            platform.worker(target, tmp_path / "home", **env) as worker,
        ):
            yield platform, worker

    return start


@pytest.mark.parametrize("concurrency", ["1", "2"])
@pytest.mark.parametrize("prefix", ["", "async "])
def test_a_request_is_answered(running, concurrency, prefix):
    async def scenario():
        source = (
            HEAD + f"    {prefix}def predict(self, request):\n        return {{'twice': request['n'] * 2}}\n"
        )
        async with running(source, PILOTLIGHT_CONCURRENCY=concurrency) as (platform, worker):
            assert await platform.call({"n": 21}) == {"output": {"twice": 42}}
            assert set(worker.phases) >= {"import", "load", "ready"}
            await asyncio.wait_for(platform.pinged.wait(), 30)

    asyncio.run(scenario())


@pytest.mark.parametrize("concurrency", ["1", "2"])
@pytest.mark.parametrize("prefix", ["", "async "])
def test_a_generator_streams(running, concurrency, prefix):
    async def scenario():
        source = HEAD + (
            f"    {prefix}def predict(self, request):\n        for i in range(request['n']):\n            yield {{'i': i}}\n"
        )
        async with running(source, PILOTLIGHT_CONCURRENCY=concurrency) as (platform, _):
            assert await platform.call({"n": 3}) == {"output": [{"i": 0}, {"i": 1}, {"i": 2}]}
            assert platform.chunks["job-0"] == [{"i": 0}, {"i": 1}, {"i": 2}]
            assert await platform.call({}) == {"error": "the input has no 'n'"}

    asyncio.run(scenario())


def test_what_goes_wrong_is_said_and_the_worker_lives(running):
    source = HEAD + (
        "    def predict(self, request):\n"
        "        match request['case']:\n"
        "            case 'value': raise ValueError('n: wanted a whole number')\n"
        "            case 'crash': return 1 / 0\n"
        "            case 'error': return {'error': 'no such user', 'more': 1}\n"
        "            case 'set': return {'value': {1, 2}}\n"
        "            case 'nan': return {'value': float('nan')}\n"
        "            case 'surrogate': return {'value': '\\ud800'}\n"
        "            case 'empty': return {}\n"
        "            case 'weights': return {'weights': str(self.weights)}\n"
    )
    expected = [
        ({"case": "value"}, "n: wanted a whole number"),
        ({"case": "crash"}, "ZeroDivisionError: division by zero (model.py line 7, in predict)"),
        ({"case": "error"}, "no such user"),
        (
            {"case": "set"},
            "predict returned what JSON cannot hold: Object of type set is not JSON serializable",
        ),
        ({"case": "nan"}, "predict returned what JSON cannot hold: Out of range float values"),
        ({"case": "surrogate"}, "predict returned what JSON cannot hold: 'utf-8' codec can't encode"),
        ({}, "the input has no 'case'"),
        ([1], "the input is a list; wanted a JSON object"),
        ("text", "the input is a string; wanted a JSON object"),
    ]

    async def scenario():
        async with running(source, PILOTLIGHT_CONCURRENCY="4") as (platform, worker):
            for request, words in expected:
                result = await platform.call(request)
                assert result["error"].startswith(words), result
                assert "Traceback" not in result["error"]
            assert await platform.call({"case": "empty"}) == {}
            assert (await platform.call({"case": "weights"}))["output"]["weights"].endswith("/app/handler")
        assert "line 7, in predict" in worker.output  # the developer has the traceback in the log

    asyncio.run(scenario())


def test_blocking_requests_run_side_by_side(running):
    """Four requests that each wait for the other three: all must run at once, and one blocked must not block the rest."""
    source = (
        "import threading\nBARRIER = threading.Barrier(4, timeout=30)\n"
        + HEAD
        + ("    def predict(self, request):\n        return {'at': BARRIER.wait()}\n")
    )

    async def scenario():
        async with running(source, PILOTLIGHT_CONCURRENCY="4") as (platform, _):
            results = await asyncio.gather(*(platform.call({}) for _ in range(4)))
            assert sorted(r["output"]["at"] for r in results) == [0, 1, 2, 3]

    asyncio.run(scenario())


def test_a_busy_worker_takes_no_job_that_it_cannot_start(running, tmp_path):
    gates = [str(tmp_path / name) for name in ("gate-0", "gate-1")]
    for gate in gates:
        os.mkfifo(gate)
    source = (
        "import sys\n"
        + HEAD
        + (
            "    def predict(self, request):\n"
            "        sys.stdout.write('\\nstarted\\n')\n"
            "        return {'read': open(request['gate']).read() if request else ''}\n"
        )
    )

    async def scenario():
        async with running(source, PILOTLIGHT_CONCURRENCY="2") as (platform, worker):
            held = [platform.submit({"gate": gate}) for gate in gates]
            quick = platform.submit({})
            await worker.said("started", times=2)
            async with (
                platform.asked_for_stops
            ):  # its loop runs on: it asks for stops, and could ask for jobs
                platform.stops.put_nowait("no-such-job")
                await asyncio.wait_for(platform.asked_for_stops.wait(), 30)
            assert platform.taken == ["job-0", "job-1"]
            for gate in gates:  # opening to write waits for the reader, closing lets it go
                (await asyncio.to_thread(open, gate, "w")).close()
            for job in (*held, quick):
                assert await asyncio.wait_for(job, 30) == {"output": {"read": ""}}

    asyncio.run(scenario())


def test_one_slot_gives_more_than_one_answer_a_second(running):
    """The SDK by itself pauses a second after each job it takes with one slot."""

    async def scenario():
        async with running(HEAD + "    def predict(self, request):\n        return {}\n") as (platform, _):
            await platform.call({})
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for _ in range(20):
                await platform.call({})
            assert loop.time() - begun < 10

    asyncio.run(scenario())


def test_a_stopped_job_frees_its_slot(running):
    source = (
        "import asyncio, sys\n"
        + HEAD
        + (
            "    async def predict(self, request):\n"
            "        sys.stdout.write('\\nwaiting\\n' if request else '')\n"
            "        await asyncio.Event().wait() if request else None\n"
            "        return {'ok': True}\n"
        )
    )

    async def scenario():
        async with running(source) as (platform, worker):
            stuck = platform.submit({"wait": True})
            free = platform.submit({})
            await worker.said("waiting")
            platform.stops.put_nowait("job-0")
            assert await asyncio.wait_for(free, 30) == {"output": {"ok": True}}
            assert not stuck.done()

    asyncio.run(scenario())


def test_a_drained_worker_ends_when_told(running):
    async def scenario():
        async with running(HEAD + "    def predict(self, request):\n        return {}\n") as (
            platform,
            worker,
        ):
            await platform.call({})
            platform.draining.set()
            worker.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(worker.process.wait(), 30) == 0

    asyncio.run(scenario())


TRUSS = """
class Model:
    def __init__(self, config, data_dir, secrets, environment):
        self._config, self._data_dir, self._secrets = config, data_dir, secrets

    def load(self):
        self._words = (self._data_dir / "words.txt").read_text().split()

    async def preprocess(self, model_input):
        return model_input["word"]

    def predict(self, word):
        return {"known": word in self._words, "token": self._secrets["hf_token"], "name": self._config["model_name"]}

    def postprocess(self, result):
        return {**result, "done": True}
"""


@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_a_truss_model_runs(running, handler, s3, stage, concurrency):
    directory = handler(
        name="truss",
        **{"config.yaml": "model_name: words\nsecrets: {hf_token: null}\n", "model/model.py": TRUSS},
    )
    env = {
        **s3.env,
        "PILOTLIGHT_WEIGHTS": stage({"words.txt": b"alpha beta"}),
        "PILOTLIGHT_CONCURRENCY": concurrency,
        "HF_TOKEN": "t0",
    }

    async def scenario():
        async with running(directory, **env) as (platform, worker):
            wanted = {"known": True, "token": "t0", "name": "words", "done": True}
            assert await platform.call({"word": "beta"}) == {"output": wanted}
            assert worker.phases["weights"]["bytes"] == 10

    asyncio.run(scenario())


def test_weights_reach_load_and_the_second_start_fetches_nothing(running, s3, stage, tmp_path):
    source = (
        "class Model:\n    def load(self, weights):\n        self.size = len((weights / 'model.bin').read_bytes())\n"
        "    def predict(self, request):\n        return {'size': self.size}\n"
    )
    env = {
        **s3.env,
        "PILOTLIGHT_WEIGHTS": stage({"model.bin": b"x" * 5000}),
        "PILOTLIGHT_CACHE": str(tmp_path / "c"),
    }

    async def scenario():
        for fetched in (5000, 0):
            async with running(source, **env) as (platform, worker):
                assert await platform.call({}) == {"output": {"size": 5000}}
                assert worker.phases["weights"]["fetched"] == fetched
                assert worker.phases["weights"]["bytes"] == 5000

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("source", "env", "words"),
    [
        (
            "import nothing_like_it\n" + HEAD,
            {},
            "model.py cannot be imported: ModuleNotFoundError: No module named",
        ),
        (HEAD.replace("self.weights = weights", "open('/nope')"), {}, "load failed: FileNotFoundError"),
        (HEAD, {"PILOTLIGHT_WEIGHTS": "s3://b/x"}, "PILOTLIGHT_WEIGHTS is 's3://b/x'"),
        (
            HEAD,
            {"PILOTLIGHT_WEIGHTS": f"s3://b/weights/manifests/sha256-{'0' * 64}.json"},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set",
        ),
        (HEAD, {"PILOTLIGHT_CONCURRENCY": "many"}, "PILOTLIGHT_CONCURRENCY is 'many'; wanted a whole number"),
    ],
)
def test_a_worker_that_cannot_start_says_why(running, source, env, words):
    async def scenario():
        async with running(source + "    def predict(self, request): ...\n", **env) as (_, worker):
            assert await worker.exit() == 1
            assert words in worker.phases["failed"]["error"]
            assert "ready" not in worker.phases

    asyncio.run(scenario())


def test_odd_file_names_and_pickles(app, handler, tmp_path):
    """A file that is no Python identifier still runs, and what it defines can be pickled by name."""
    evil = 'my-model.v2"; import os; os._exit(7); "'
    source = (
        "import pickle\n"
        + HEAD
        + (
            "    def predict(self, request):\n        return {'same': pickle.loads(pickle.dumps(Model)) is Model}\n"
        )
    )
    from images import RenderOptions

    target = app(handler(name=evil, **{f"{evil}.py": source}), RenderOptions(entry=f"{evil}.py"))

    async def scenario():
        async with Platform().serve() as platform, platform.worker(target, tmp_path / "home"):
            assert await platform.call({}) == {"output": {"same": True}}

    asyncio.run(scenario())
