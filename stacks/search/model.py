"""Semantic search: which of these sentences is closest in meaning to the question?"""

import json
from pathlib import Path

from bert import Bert

MAX_SENTENCES = 256


class Model:
    def load(self, weights: Path) -> None:
        self.bert = Bert(weights)

    def predict(self, request: dict) -> dict:
        """{"question": text, "sentences": [text, ...]} -> {"ranked": [{"sentence", "similarity"}, ...]}, best first."""
        question, sentences = check(request)
        meanings = self.bert.embed([question, *sentences])
        similarities = meanings[1:] @ meanings[0]
        best_first = sorted(range(len(sentences)), key=lambda i: -similarities[i])
        return {
            "ranked": [
                {"sentence": sentences[i], "similarity": round(float(similarities[i]), 4)} for i in best_first
            ]
        }


def check(request: dict) -> tuple[str, list[str]]:
    """A ValueError's text is what the caller reads."""
    question, sentences = request.get("question"), request.get("sentences")
    if not isinstance(question, str) or not question.strip():
        raise ValueError("question: wanted a text that is not empty")
    if not isinstance(sentences, list) or not 1 <= len(sentences) <= MAX_SENTENCES:
        raise ValueError(f"sentences: wanted a list of 1 to {MAX_SENTENCES} texts")
    wrong = [i for i, sentence in enumerate(sentences) if not isinstance(sentence, str)]
    if wrong:
        raise ValueError(f"sentences[{wrong[0]}]: wanted a text, got {json.dumps(sentences[wrong[0]])[:80]}")
    return question, sentences
