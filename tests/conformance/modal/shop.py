"""The app that the judges deploy and call. Its version comes in by the environment, so that two deploys differ."""

import os
import time

import modal

VERSION = os.environ.get("SHOP_VERSION", "1")
app = modal.App("shop", image=modal.Image.debian_slim("3.11").env({"SHOP_VERSION": VERSION}))
data = modal.Volume.from_name("shop-data", create_if_missing=True, version=2)
keys = modal.Secret.from_name("shop-keys")
notes = modal.Dict.from_name("shop-notes", create_if_missing=True)
line = modal.Queue.from_name("shop-line", create_if_missing=True)


@app.function(max_containers=2)
def double(x):
    print(f"doubling {x}")  # noqa: T201
    return 2 * x


@app.function(max_containers=1)
def version():
    return os.environ["SHOP_VERSION"]


@app.function(max_containers=1)
def fail(name):
    raise LookupError(f"no {name}")


@app.function(max_containers=1)
def count(n):
    yield from range(n)


@app.function(max_containers=1)
@modal.batched(max_batch_size=3, wait_ms=500)
def batch(xs):
    return [[x, len(xs)] for x in xs]


@app.function(
    max_containers=1, retries=modal.Retries(max_retries=1, initial_delay=0.0, backoff_coefficient=1.0)
)
def flaky(name):
    tries = notes.get(name, 0) + 1
    notes[name] = tries
    if tries < 2:
        raise RuntimeError(f"try {tries} of {name}")
    return tries


@app.function(max_containers=1)
def crash(name):
    """The first container goes away without a word."""
    tries = notes.get(name, 0) + 1
    notes[name] = tries
    if tries < 2:
        os._exit(3)
    return tries


@app.function(max_containers=1)
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@app.function(max_containers=1, secrets=[keys])
def secret():
    return os.environ["SHOP_KEY"]


@app.function(max_containers=1, volumes={"/data": data})
def write(text):
    with open("/data/note.txt", "w") as file:
        file.write(text)
    data.commit()


@app.function(max_containers=1)
def pass_on(n):
    """From a queue to a queue, by a container."""
    for _ in range(n):
        line.put(line.get(partition="in", timeout=30) + 1, partition="out")


@app.function(schedule=modal.Period(seconds=1))
def tick():
    notes["ticks"] = notes.get("ticks", 0) + 1


@app.cls(max_containers=1)
class Greeter:
    greeting: str = modal.parameter(default="hello")

    @modal.enter()
    def begin(self):
        self.greeted = 0

    @modal.method()
    def greet(self, name):
        self.greeted += 1
        return f"{self.greeting} {name}, number {self.greeted}"

    @modal.method()
    def letters(self):
        yield from self.greeting


@app.function(max_containers=1)
@modal.asgi_app()
def web():
    async def answer(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        body = (await receive()).get("body", b"")
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-shop", b"open")]})
        await send({"type": "http.response.body", "body": scope["method"].encode() + b" " + body})

    return answer
