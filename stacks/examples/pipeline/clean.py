"""On a CPU, without numpy: texts become sets of letter triples, which need no vocabulary."""

import re
from zlib import crc32

BUCKETS = 4096


def clean(request: dict) -> dict:
    """A ValueError's text is what the caller reads."""
    question, sentences = request.get("question"), request.get("sentences")
    if not isinstance(question, str) or not question.strip():
        raise ValueError("question: wanted a text that is not empty")
    if not isinstance(sentences, list) or not sentences or not all(isinstance(s, str) for s in sentences):
        raise ValueError("sentences: wanted a list of texts")
    return {"sentences": sentences, "triples": [triples(text) for text in (question, *sentences)]}


def triples(text: str) -> list[int]:
    words = re.findall(r"\w+", text.lower())
    found = {f" {word} "[i : i + 3] for word in words for i in range(len(word))}
    return sorted({crc32(triple.encode()) % BUCKETS for triple in found})
