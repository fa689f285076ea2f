"""Semantic search that answers as it reads: each sentence with its similarity, in the order in which they were sent."""

from collections.abc import Iterator
from pathlib import Path

from bert import Bert
from model import check


class Model:
    def load(self, weights: Path) -> None:
        self.bert = Bert(weights)

    def predict(self, request: dict) -> Iterator[dict]:
        """{"question": text, "sentences": [text, ...]} -> {"sentence", "similarity"}, one after the other."""
        question, sentences = check(request)
        [meaning] = self.bert.embed([question])
        for sentence in sentences:
            [other] = self.bert.embed([sentence])
            yield {"sentence": sentence, "similarity": round(float(other @ meaning), 4)}
