"""The official client calls deployed functions, in every way that it can."""

import pytest

from tests.localcloud.modal.running import RunningModal

pytestmark = pytest.mark.xdist_group("modal")

SOURCE = """
import os, time

@app.function(max_containers=8)
def double(x):
    return 2 * x

@app.function(max_containers=1)
def where():
    return [os.environ["FLAVOR"], os.environ.get("MODAL_TOKEN_SECRET"), os.getcwd(), __file__, os.environ["MODAL_TASK_ID"]]

@app.function(max_containers=2)
def fail(x):
    raise LookupError(f"no {x}")

@app.function(max_containers=1)
def count(n):
    for i in range(n):
        yield i * 10

@app.function(max_containers=1)
async def slow_count(n):
    for i in range(n):
        yield {"item": i}

@app.function(max_containers=1)
def nested(n):
    return sum(double.map(range(n)))

@app.function(max_containers=1)
def big(n):
    return b"x" * n

@app.function(max_containers=1)
def size(data):
    return len(data)

@app.function(max_containers=1)
@modal.batched(max_batch_size=4, wait_ms=300)
def batch(xs):
    return [(x, len(xs)) for x in xs]

@app.cls(max_containers=1)
class Counter:
    start: int = modal.parameter(default=1)
    name: str = modal.parameter(default="c")

    @modal.enter()
    def begin(self):
        self.value = self.start

    @modal.method()
    def add(self, n):
        self.value += n
        return [self.name, self.value]

    @modal.method()
    def each(self):
        yield from range(self.value)

@app.cls(max_containers=1)
class Plain:
    @modal.method()
    def hi(self, who):
        return f"hi {who}"

@app.function(max_containers=1)
@modal.concurrent(max_inputs=10)
async def together(n):
    import asyncio
    global here, all_here
    try:
        here += 1
    except NameError:
        here, all_here = 1, asyncio.Event()
    if here == n:
        all_here.set()
    await all_here.wait()
    return here
"""


@pytest.fixture(scope="module")
def shop(modal: RunningModal) -> RunningModal:
    modal.deploy(SOURCE)
    return modal


def test_a_call_answers(shop: RunningModal) -> None:
    assert shop.call('answer = modal.Function.from_name("shop", "double").remote(21)') == 42


def test_a_container_has_the_images_environment_and_no_token(shop: RunningModal) -> None:
    flavor, secret, cwd, file, task = shop.call('answer = modal.Function.from_name("shop", "where").remote()')
    assert flavor == "vanilla"
    assert secret is None
    assert cwd.endswith("/root")
    assert file.endswith("/root/shop.py")
    assert task.startswith("ta-")


def test_300_inputs_are_mapped_in_order(shop: RunningModal) -> None:
    answer = shop.call('answer = list(modal.Function.from_name("shop", "double").map(range(300)))')
    assert answer == [2 * x for x in range(300)]


def test_an_exception_arrives_with_its_own_type(shop: RunningModal) -> None:
    code = """
try:
    modal.Function.from_name("shop", "fail").remote("luck")
except LookupError as error:
    answer = [str(error), type(error).__name__]
"""
    assert shop.call(code) == ["no luck", "LookupError"]


def test_a_map_returns_exceptions_where_it_is_asked_to(shop: RunningModal) -> None:
    code = """
f = modal.Function.from_name("shop", "fail")
answer = [str(item) for item in f.map(["a", "b"], return_exceptions=True, wrap_returned_exceptions=False)]
"""
    assert shop.call(code) == ["no a", "no b"]


def test_a_spawned_call_is_fetched_later_by_its_id(shop: RunningModal) -> None:
    code = """
call = modal.Function.from_name("shop", "double").spawn(4)
again = modal.FunctionCall.from_id(call.object_id)
answer = [again.get(timeout=30), again.get(timeout=0), call.num_inputs()]
"""
    assert shop.call(code) == [8, 8, 1]


def test_a_spawned_map_is_fetched_by_index(shop: RunningModal) -> None:
    code = """
call = modal.Function.from_name("shop", "double").experimental_spawn_map([1, 2, 3])
answer = [call.get(index=i) for i in range(3)] + list(call.iter())
"""
    assert shop.call(code) == [2, 4, 6, 2, 4, 6]


def test_generators_yield_as_they_go(shop: RunningModal) -> None:
    code = """
answer = [list(modal.Function.from_name("shop", "count").remote_gen(3)),
          list(modal.Function.from_name("shop", "slow_count").remote_gen(2))]
"""
    assert shop.call(code) == [[0, 10, 20], [{"item": 0}, {"item": 1}]]


def test_a_function_calls_another(shop: RunningModal) -> None:
    assert shop.call('answer = modal.Function.from_name("shop", "nested").remote(10)') == 90


def test_a_call_shows_the_calls_that_it_made(shop: RunningModal) -> None:
    code = """
call = modal.Function.from_name("shop", "nested").spawn(3)
call.get(timeout=60)
(root,) = call.get_call_graph()
answer = [root.function_name, root.status.name, sorted({child.function_name for child in root.children}),
          len(root.children), {child.status.name for child in root.children} == {"SUCCESS"}]
"""
    assert shop.call(code) == ["nested", "SUCCESS", ["double"], 3, True]


def test_large_arguments_and_results_go_by_address(shop: RunningModal) -> None:
    code = """
big, size = (modal.Function.from_name("shop", name) for name in ("big", "size"))
answer = [len(big.remote(3_000_000)), size.remote(b"y" * 5_000_000), size.spawn(b"z" * 20_000).get()]
"""
    assert shop.call(code) == [3_000_000, 5_000_000, 20_000]


def test_a_batch_is_filled_or_goes_after_its_wait(shop: RunningModal) -> None:
    code = """
batch = modal.Function.from_name("shop", "batch")
batch.remote(0)
answer = [list(batch.map(range(4))), batch.remote(9)]
"""
    full, alone = shop.call(code)
    assert full == [[x, 4] for x in range(4)]
    assert alone == [9, 1]


def test_a_class_keeps_state_for_each_of_its_parameters(shop: RunningModal) -> None:
    code = """
Counter = modal.Cls.from_name("shop", "Counter")
ten, other = Counter(start=10, name="ten"), Counter(start=3)
answer = [ten.add.remote(1), ten.add.remote(1), other.add.remote(1), Counter().add.remote(1),
          list(other.each.remote_gen())]
"""
    assert shop.call(code) == [["ten", 11], ["ten", 12], ["c", 4], ["c", 2], [0, 1, 2, 3]]


def test_a_class_without_parameters_is_called_directly(shop: RunningModal) -> None:
    assert shop.call('answer = modal.Cls.from_name("shop", "Plain")().hi.remote("you")') == "hi you"


def test_options_make_a_pool_of_their_own(shop: RunningModal) -> None:
    code = """
Plain = modal.Cls.from_name("shop", "Plain")
answer = Plain.with_options(max_containers=2, timeout=7)().hi.remote("me")
"""
    assert shop.call(code) == "hi me"
    bound = [
        record for record in shop.world.functions.values() if record.base_id and record.name == "Plain.*"
    ]
    assert [(record.function.timeout_secs, record.settings.max_containers) for record in bound] == [(7, 2)]


def test_inputs_run_at_the_same_time_in_one_container(shop: RunningModal) -> None:
    code = """
import asyncio
f = modal.Function.from_name("shop", "together")
async def main():
    return await asyncio.gather(*(f.remote.aio(5) for _ in range(5)))
answer = asyncio.run(main())
"""
    assert len(shop.call(code)) == 5


def test_cbor_arguments_are_answered_in_cbor(shop: RunningModal) -> None:
    code = 'print(modal.Function.from_name("shop", "double").remote(3))'
    assert shop.python(code, MODAL_PAYLOAD_FORMAT="cbor").strip() == "6"


def test_a_function_may_call_itself_deeper_than_this_machine_starts_containers(shop: RunningModal) -> None:
    shop.deploy(
        """
@app.function()
def down(n):
    return n if n == 0 else 1 + modal.Function.from_name("deep", "down").remote(n - 1)
""",
        name="deep",
    )
    assert shop.call('answer = modal.Function.from_name("deep", "down").remote(10)') == 10
