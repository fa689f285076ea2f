"""all-MiniLM-L6-v2, a six-layer BERT, in numpy: texts become vectors whose product says how near their meanings are.

The weights are mapped into memory straight from model.safetensors, so a start copies nothing and workers on one machine share the
pages.
"""

import json
import os
from pathlib import Path

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before numpy: threads that fight for busy cores cost 10x and more

import numpy as np
from tokenizers import Tokenizer

BATCH = 32


class Bert:
    """The encoder, pooled to one vector of length 1 per text."""

    def __init__(self, weights: Path) -> None:
        config = json.loads((weights / "config.json").read_text())
        self.heads, self.epsilon = config["num_attention_heads"], config["layer_norm_eps"]
        self.layers = config["num_hidden_layers"]
        self.tensors = read_safetensors(weights / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        self.tokenizer.enable_padding()  # to the longest text of a batch; the file says: to 128 tokens always

    def embed(self, texts: list[str]) -> np.ndarray:
        """Unit vectors, one row per text."""
        batches = [self._embed(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        return np.concatenate(batches)

    def _embed(self, texts: list[str]) -> np.ndarray:
        encoded = self.tokenizer.encode_batch(texts)
        tokens = np.array([e.ids for e in encoded])
        mask = np.array([e.attention_mask for e in encoded], dtype=np.float32)
        hidden = self._encode(tokens, mask)
        pooled = (hidden * mask[:, :, None]).sum(axis=1)  # the mean of the tokens, up to its length
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _encode(self, tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
        words, positions, kinds = (
            self.tensors[f"embeddings.{name}_embeddings.weight"]
            for name in ("word", "position", "token_type")
        )
        hidden = self._norm("embeddings.LayerNorm", words[tokens] + positions[: tokens.shape[1]] + kinds[0])
        ignore = (1 - mask[:, None, None, :]) * np.float32(-1e9)
        for layer in (f"encoder.layer.{i}." for i in range(self.layers)):
            attended = self._dense(layer + "attention.output.dense", self._attend(layer, hidden, ignore))
            hidden = self._norm(layer + "attention.output.LayerNorm", hidden + attended)
            inner = gelu(self._dense(layer + "intermediate.dense", hidden))
            hidden = self._norm(
                layer + "output.LayerNorm", hidden + self._dense(layer + "output.dense", inner)
            )
        return hidden

    def _attend(self, layer: str, hidden: np.ndarray, ignore: np.ndarray) -> np.ndarray:
        batch, length, width = hidden.shape

        def heads(name: str) -> np.ndarray:
            projected = self._dense(f"{layer}attention.self.{name}", hidden)
            return projected.reshape(batch, length, self.heads, -1).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scale = np.float32((width // self.heads) ** -0.5)
        scores = query @ key.swapaxes(-1, -2) * scale + ignore
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = scores / scores.sum(axis=-1, keepdims=True) @ value
        return mixed.transpose(0, 2, 1, 3).reshape(batch, length, width)

    def _dense(self, name: str, x: np.ndarray) -> np.ndarray:
        rows = x.reshape(-1, x.shape[-1])  # one large product instead of one per text
        result = rows @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]
        return result.reshape(*x.shape[:-1], -1)

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(self.epsilon))
        return x * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    """x * P(X <= x) for a standard normal X; erf by Abramowitz and Stegun 7.1.26 (error below 1.5e-7)."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.copysign(1 - series * np.exp(-z * z), x)
    return x * (1 + erf) * np.float32(0.5)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Tensors as views of the mapped file: 8 bytes of header length, a JSON header, then the data."""
    data = np.memmap(path, mode="r")
    header_end = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:header_end].tobytes())
    dtypes = {"F32": np.float32, "I64": np.int64}
    return {
        name: data[header_end + start : header_end + end]
        .view(dtypes[tensor["dtype"]])
        .reshape(tensor["shape"])
        for name, tensor in header.items()
        if name != "__metadata__"
        for start, end in [tensor["data_offsets"]]
    }
