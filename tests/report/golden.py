"""Texts that are kept in files, without their digests. `PILOTLIGHT_WRITE_GOLDEN=1` writes them anew, to be reviewed as a diff."""

import os
import re
from pathlib import Path

FOLDER = Path(__file__).with_name("golden")


def holds(name: str, text: str) -> None:
    """Assert that `text` is what the file has."""
    path = FOLDER / name
    text = re.sub(r"digest=[0-9a-f]{64}", "digest=…", text)
    if os.environ.get("PILOTLIGHT_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"{path} differs; PILOTLIGHT_WRITE_GOLDEN=1 writes it anew"
    )
