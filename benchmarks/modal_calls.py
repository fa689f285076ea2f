"""Calls on the local Modal, timed with the official client: cold start, warm call, a map over 8 containers, the web.

    .venv/bin/python benchmarks/modal_calls.py [--plain]

The server runs in this process, the client in another, as for a user. The first line says what the machine itself takes
to import the official entrypoint in a fresh interpreter: the floor of a cold start.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TARGETS = {"cold_s": 0.4, "warm_p50_ms": 8.0, "map_300_s": 2.0}

SOURCE = """
@app.function(max_containers=8, scaledown_window=60)
def double(x):
    return 2 * x

@app.function(max_containers=1, single_use_containers=True)
def once():
    return 1

@app.function(max_containers=1)
@modal.concurrent(max_inputs=8)
@modal.asgi_app()
def site():
    async def web(scope, receive, send):
        if scope["type"] != "http":
            return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
    return web
"""

CLIENT = """
import json, statistics, time
once, double = (modal.Function.from_name("shop", name) for name in ("once", "double"))
once.hydrate(), double.hydrate()

def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin

cold = []
for _ in range(7):
    cold.append(timed(lambda: once.spawn().get()))
    time.sleep(1)  # for the last container to be gone: two cores have enough to do with one
double.remote(0)
for i in range(30):
    double.remote(i)
warm = [timed(lambda: double.remote(1)) for _ in range(200)]
maps = [timed(lambda: list(double.map(range(300)))) for _ in range(3)]
print(json.dumps([cold, warm, maps]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--plain", action="store_true", help="containers without mount namespaces")
    options = parser.parse_args()
    from tests.localcloud.modal.running import RunningModal

    floor_s = _import_floor_s()
    print(
        f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; import modal takes {floor_s:.2f} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        modal = RunningModal(Path(folder), namespaces=not options.plain)
        try:
            modal.deploy(SOURCE)
            begin = time.process_time()
            cold, warm, maps = json.loads(modal.python(CLIENT).splitlines()[-1])
            cpu_s = time.process_time() - begin
            web_ms = _web_ms(f"{modal.world.urls.web}/w/shop-site")
            calls = len(cold) + len(warm) + 31 + 300 * len(maps)
            _show("cold start (spawn to first result)", "cold_s", statistics.median(cold), "s", min(cold))
            _show("warm .remote() p50", "warm_p50_ms", statistics.median(warm) * 1000, "ms", min(warm) * 1000)
            _show(".map of 300 over up to 8 containers, started cold", "map_300_s", maps[0], "s", maps[0])
            _show(".map of 300, containers warm", "map_300_s", min(maps[1:]), "s", min(maps[1:]))
            print(f"{'warm web request p50':52} {web_ms:8.1f} ms")
            print(f"{'server CPU for each call':52} {cpu_s / calls * 1000:8.2f} ms")
        finally:
            modal.close()


def _show(what: str, target: str, value: float, unit: str, best: float) -> None:
    verdict = "ok" if value <= TARGETS[target] else f"over {TARGETS[target]:g} {unit}"
    print(f"{what:52} {value:8.2f} {unit}   best {best:.2f}   {verdict}")


def _import_floor_s() -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import modal._container_entrypoint"], check=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _web_ms(url: str) -> float:
    import httpx

    times = []
    with httpx.Client(timeout=60) as client:
        for _ in range(60):
            begin = time.perf_counter()
            assert client.get(url).text == "ok"
            times.append(time.perf_counter() - begin)
    return statistics.median(times[10:]) * 1000


if __name__ == "__main__":
    main()
