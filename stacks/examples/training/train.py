"""Fine-tuning in small: a linear model goes on learning from its last checkpoint, and stops at no particular time.

A checkpoint is one file, written beside the last one and then put in its place: an attempt that is cut off leaves the one
before it whole.
"""

import os
from pathlib import Path

import numpy as np

RATE = 0.1
TRUTH = np.array([2.0, -1.0, 0.5])


def train(steps: int = 200, every: int = 20, fail_at: int | None = None) -> dict:
    """`fail_at` cuts the first attempt off at that step, so that one sees the next go on from its last checkpoint."""
    folder = Path(os.environ["PILOTLIGHT_CHECKPOINTS"])
    last = folder / "last.npz"
    start, weights = 0, np.zeros_like(TRUTH)
    if last.exists():
        with np.load(last) as kept:
            start, weights = int(kept["step"]), kept["weights"]
    for step in range(start, steps):
        if step == fail_at and start < fail_at - every:
            raise RuntimeError(f"cut off at step {step}")
        inputs = np.random.default_rng(step).standard_normal((32, len(TRUTH)))
        weights = weights - RATE * inputs.T @ (inputs @ weights - inputs @ TRUTH) / len(inputs)
        if (step + 1) % every == 0 or step + 1 == steps:
            save(last, step + 1, weights)
            commit()
    loss = float(np.mean((weights - TRUTH) ** 2))
    return {"from": start, "to": max(start, steps), "loss": loss, "weights": weights.round(4).tolist()}


def save(last: Path, step: int, weights: np.ndarray) -> None:
    partial = last.with_name("partial.npz")
    np.savez(partial, step=step, weights=weights)
    partial.replace(last)


def commit() -> None:
    """Modal keeps what is written to a Volume once it is committed; RunPod's disks keep it at once."""
    name = os.environ.get("PILOTLIGHT_CHECKPOINT_VOLUME")
    if name:
        import modal

        modal.Volume.from_name(name).commit()
