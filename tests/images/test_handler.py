"""A handler is judged from its syntax tree, with all its faults named at once."""

import pytest

from images import ImageError, Kind, Style, inspect_handler

LOAD = "class Model:\n    def load(self, weights): ...\n"


@pytest.mark.parametrize(
    ("predict", "kind"),
    [
        ("def predict(self, request): return {}", Kind.SYNC),
        ("async def predict(self, request): return {}", Kind.ASYNC),
        ("def predict(self, request): yield 1", Kind.GENERATOR),
        ("async def predict(self, request): yield 1", Kind.ASYNC_GENERATOR),
        (
            "def predict(self, request):\n        def inner(): yield 1\n        return list(inner())",
            Kind.SYNC,
        ),
        ("@staticmethod\n    def predict(request): return {}", Kind.SYNC),
        ("def predict(self, request, *, top=3): return {}", Kind.SYNC),
    ],
)
def test_native_kinds(handler, predict, kind):
    info = inspect_handler(handler(f"{LOAD}    {predict}\n"))
    assert (info.style, info.kind, info.file, info.module) == (Style.NATIVE, kind, "model.py", "model")


@pytest.mark.parametrize(
    "constructor",
    ["self, **kwargs", "self, config, data_dir, secrets, environment", "self, *, config, size=3", "self"],
)
def test_truss_is_told_by_its_signature(handler, constructor):
    source = f"""
class Model:
    def __init__({constructor}): ...
    def load(self): ...
    def predict(self, model_input): return model_input
"""
    assert inspect_handler(handler(source)).style is Style.TRUSS


def test_truss_without_load(handler):
    source = "class Model:\n    def __init__(self, **kw): ...\n    def predict(self, model_input): ...\n"
    assert inspect_handler(handler(source)).style is Style.TRUSS


def test_truss_directory(handler):
    directory = handler(
        **{
            "config.yaml": "model_class_name: Ranker\nrequirements: [numpy==2.4.6]\nsecrets: {hf_token: null}\n",
            "model/model.py": "class Ranker:\n    def __init__(self, **kw): ...\n    def predict(self, x): ...\n",
        }
    )
    info = inspect_handler(directory)
    assert (info.file, info.module, info.class_name) == ("model/model.py", "model.model", "Ranker")
    assert info.requirements == ("numpy==2.4.6",)
    assert info.config["secrets"] == {"hf_token": None}


def test_a_base_in_the_same_file_counts(handler):
    source = f"{LOAD.replace('Model', 'Base')}    async def predict(self, request): ...\n\nclass Model(Base):\n    size = 3\n"
    assert inspect_handler(handler(source)).kind is Kind.ASYNC


def test_a_base_out_of_sight_is_trusted(handler):
    assert inspect_handler(handler("from lib import Base\nclass Model(Base): ...\n"))


def test_nothing_of_the_user_runs(handler, tmp_path):
    bait = tmp_path / "ran"
    directory = handler(f"open({str(bait)!r}, 'w')\n{LOAD}    def predict(self, request): ...\n")
    assert inspect_handler(directory)
    assert not bait.exists()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\n", "no class Model (classes found: none)"),
        ("class Mode: ...\nclass Other: ...\n", "no class Model (classes found: Mode, Other)"),
        ("from lib import Model\n", "Model is imported from lib"),
        ("class Model:\n    def predict(self, request): ...\n", "model.py: Model has no load"),
        (LOAD, "model.py: Model has no predict"),
        (
            LOAD + "    def predict(self): ...\n",
            "model.py:3: predict takes no argument; wanted one: `request`",
        ),
        (LOAD + "    def predict(self, a, b): ...\n", "model.py:3: predict takes 2 arguments"),
        (LOAD + "    def predict(self, a, *, b): ...\n", "1 argument and the keywords b"),
        (LOAD + "    def predict(self, request):\n        return {\n", "model.py:4: '{' was never closed"),
        (
            "class Model:\n    async def load(self, weights): ...\n    def predict(self, r): ...\n",
            "load is async",
        ),
        (
            "class Model:\n    def __init__(self, size): ...\n    def load(self, w): ...\n    def predict(self, r): ...\n",
            "model.py:2: the constructor needs size",
        ),
        (
            "class Model:\n    def __init__(self, size): ...\n    def load(self): ...\n    def predict(self, r): ...\n",
            "a Truss model is given config, data_dir, environment, secrets",
        ),
        ("x = '\0'\n", "model.py"),
    ],
)
def test_refusals_name_the_place(handler, source, words):
    with pytest.raises(ImageError) as refused:
        inspect_handler(handler(source))
    assert words in str(refused.value)


def test_every_fault_at_once(handler):
    with pytest.raises(ImageError) as refused:
        inspect_handler(handler("class Model:\n    def load(self, a, b): ...\n    def predict(self): ...\n"))
    assert len(refused.value.problems) == 2
    assert "2 problems" in str(refused.value)


def test_missing_directory_and_file(handler, tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        inspect_handler(tmp_path / "none")
    with pytest.raises(ImageError, match=r"model\.py: not found .* \(it has app\.py\)"):
        inspect_handler(handler(**{"app.py": "x = 1\n"}))
    with pytest.raises(ImageError, match="not found"):
        inspect_handler(handler(LOAD), entry="../model.py")


def test_unreadable_truss_configuration(handler):
    directory = handler(**{"config.yaml": "a: [", "model/model.py": "class Model: ...\n"})
    with pytest.raises(ImageError, match=r"config\.yaml: not readable"):
        inspect_handler(directory)


def test_many_directories_are_read_at_once(handler):
    """Collecting garbage may let another thread run in the middle of a tree; CPython 3.11 then loses count of its depth."""
    import gc
    import threading
    import time

    class Garbage:
        def __init__(self):
            self.itself = self

        def __del__(self):
            time.sleep(0)  # lets another thread run

    directory = handler(
        "class Model:\n    def load(self, weights): ...\n    def predict(self, request): ...\n"
        + "x = [1, 2]\n" * 400
    )
    failed = []

    def read():
        for _ in range(8):
            for _ in range(5):
                Garbage()
            try:
                inspect_handler(directory)
            except SystemError as error:
                failed.append(error)

    before = gc.get_threshold()
    gc.set_threshold(400)
    try:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*before)
    assert failed == []
