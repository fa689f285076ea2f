"""Embeddings as OpenAI's clients ask for them: POST /v1/embeddings, GET /v1/models.

RunPod hands such a request over as {"openai_route", "openai_input"}; the answer is the body that the client gets.
"""

from pathlib import Path

from bert import Bert

NAME = "all-MiniLM-L6-v2"


class Model:
    def load(self, weights: Path) -> None:
        self.bert = Bert(weights)

    def predict(self, request: dict) -> dict:
        route = str(request.get("openai_route", ""))
        if route.endswith("/models"):
            return {"object": "list", "data": [{"id": NAME, "object": "model", "owned_by": "local"}]}
        if route.endswith("/embeddings"):
            return self.embeddings(request.get("openai_input") or {})
        raise ValueError(f"{route or 'no route'} is not served here; wanted /v1/embeddings or /v1/models")

    def embeddings(self, asked: dict) -> dict:
        texts = asked.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError("input: wanted a text or a list of texts")
        if asked.get("encoding_format", "float") != "float":
            raise ValueError('encoding_format: wanted "float"')
        vectors = self.bert.embed(texts)
        data = [
            {"object": "embedding", "index": index, "embedding": [float(x) for x in vector]}
            for index, vector in enumerate(vectors)
        ]
        tokens = sum(len(encoded.ids) for encoded in self.bert.tokenizer.encode_batch(texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": NAME, "data": data, "usage": usage}
