"""All benchmarks, one after the other, so that none disturbs another: `python -m benchmarks`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """0 when all of them ran; each prints its own figures, and whether they are what was wanted."""
    failed = []
    for script in sorted(HERE.glob("*.py")):
        if script.name.startswith("__"):
            continue
        print(f"\n== {script.name}", flush=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(script.name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
