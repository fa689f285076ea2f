"""The limits of the S3 API, from limits.yaml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

HIDDEN = ".s3compat_uploads"  # at the top of a volume: parts of uploads, until those are completed or aborted


@dataclass(frozen=True)
class Limits:
    put_bytes: int
    part_bytes: int
    object_bytes: int
    parts: int
    clock_skew_s: int
    page: int


@cache
def load() -> Limits:
    import yaml

    return Limits(**yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text()))
