"""Judges that want other versions of things than we do: each in an environment of its own, beside the other tools.

`python -m tests.conformance.runpod.tools` makes them, with uv.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FLASH, SCHEMATHESIS = "runpod-flash==1.21.0", "schemathesis==4.32.0"
OPENAI = "openai==3.54.0"
CACHE = Path(os.environ.get("PILOTLIGHT_HOME") or Path.home() / ".cache" / "pilotlight")


def python(tool: str) -> Path:
    return CACHE / tool.replace("==", "-") / "bin" / "python"


def missing(tool: str) -> str:
    """Why its tests cannot run; nothing if they can."""
    if python(tool).exists():
        return ""
    return f"{tool} is not installed: `python -m tests.conformance.runpod.tools` does it"


def make(tool: str) -> None:
    uv = shutil.which("uv") or next(map(str, sorted(CACHE.glob("uv-*/bin/uv"), reverse=True)), None)
    if uv is None:
        sys.exit("uv was not found; `make setup` brings it")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python(tool).parents[1]], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python(tool)), tool]
    subprocess.run(install, check=True)


if __name__ == "__main__":
    for wanted in (FLASH, SCHEMATHESIS, OPENAI):
        if missing(wanted):
            make(wanted)
