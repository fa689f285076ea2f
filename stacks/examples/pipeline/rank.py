"""On a CPU: the nearest sentences first."""

import numpy as np


def rank(embedded: dict) -> dict:
    vectors, sentences = embedded["vectors"], embedded["sentences"]
    similarities = vectors[1:] @ vectors[0]
    best_first = np.argsort(-similarities, kind="stable")
    ranked = [{"sentence": sentences[i], "similarity": round(float(similarities[i]), 4)} for i in best_first]
    return {"ranked": ranked}
