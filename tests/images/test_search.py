"""The demo handler is the model that it says it is."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / ".pilotlight/models/all-MiniLM-L6-v2"

needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "model.safetensors").is_file(), reason=f"{WEIGHTS.name} is not here: run `make setup`"
)


@pytest.fixture(scope="module")
def search():
    sys.path.insert(0, str(ROOT / "stacks/search"))
    try:
        return loaded_module("model")
    finally:
        sys.path.remove(str(ROOT / "stacks/search"))


def loaded_module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"stacks/search/{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(search):
    loaded = search.Model()
    loaded.load(WEIGHTS)
    return loaded


@pytest.fixture(scope="module")
def numpy(search):
    """As the encoder imports it: it sets the number of threads first."""
    return sys.modules["bert"].np


@needs_weights
def test_similarities_are_the_published_ones(model, numpy):
    """Source: the quickstart of sentence-transformers, which prints them for this model."""
    meanings = model.bert.embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    wanted = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    numpy.testing.assert_allclose(meanings @ meanings.T, wanted, atol=1e-4)


@needs_weights
def test_ranked_best_first(model):
    answer = model.predict(
        {"question": "how do I get my money back?", "sentences": ["the cat sleeps", "refunds take five days"]}
    )
    assert [row["sentence"] for row in answer["ranked"]] == ["refunds take five days", "the cat sleeps"]
    assert answer["ranked"][0]["similarity"] == pytest.approx(0.498, abs=1e-3)


@needs_weights
def test_a_text_means_the_same_in_any_company(model, numpy):
    """Padding to the longest text of a batch, and more texts than a batch holds, must not show."""
    texts = ["a cat", "word " * 60, *(f"sentence number {i}" for i in range(34))]
    together = model.bert.embed(texts)
    alone = numpy.concatenate([model.bert.embed([text]) for text in texts])
    numpy.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "question: wanted a text that is not empty"),
        ({"question": 3, "sentences": ["a"]}, "question"),
        ({"question": "  ", "sentences": ["a"]}, "question"),
        ({"question": "q"}, "sentences: wanted a list of 1 to 256 texts"),
        ({"question": "q", "sentences": []}, "sentences: wanted a list"),
        ({"question": "q", "sentences": "text"}, "sentences: wanted a list"),
        ({"question": "q", "sentences": ["a"] * 257}, "sentences: wanted a list of 1 to 256"),
        ({"question": "q", "sentences": ["a", None]}, r"sentences\[1\]: wanted a text, got null"),
    ],
)
def test_wrong_requests(search, request_, words):
    with pytest.raises(ValueError, match=words):
        search.check(request_)


@needs_weights
def test_the_streaming_handler_gives_each_sentence_its_similarity(search, model):
    question, sentences = "how do I get my money back?", ["the cat sleeps", "refunds take five days"]
    streaming = loaded_module("stream").Model()
    streaming.load(WEIGHTS)
    rows = list(streaming.predict({"question": question, "sentences": sentences}))
    assert [row["sentence"] for row in rows] == sentences
    ranked = model.predict({"question": question, "sentences": sentences})["ranked"]
    assert sorted(row["similarity"] for row in rows) == sorted(row["similarity"] for row in ranked)


@needs_weights
def test_the_openai_handler_answers_as_the_api_does(search, model, numpy):
    openai = loaded_module("openai_api").Model()
    openai.load(WEIGHTS)
    asked = {"input": ["the cat sleeps", "a dog"], "model": "x"}
    body = openai.predict({"openai_route": "/v1/embeddings", "openai_input": asked})
    vectors = [row["embedding"] for row in body["data"]]
    numpy.testing.assert_allclose(vectors, model.bert.embed(asked["input"]), atol=1e-6)
    assert [row["index"] for row in body["data"]] == [0, 1]
    assert body["usage"]["total_tokens"] > 4
    assert openai.predict({"openai_route": "/v1/models"})["data"][0]["id"] == "all-MiniLM-L6-v2"
    for wrong in ({"openai_route": "/v1/chat/completions"}, {"openai_route": "/v1/embeddings"}):
        with pytest.raises(ValueError, match="wanted"):
            openai.predict(wrong)
