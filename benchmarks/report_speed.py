"""How fast a report is made, and that it fits a comment: `.venv/bin/python benchmarks/report_speed.py`.

A stream of 500 resources with environments of 30 variables each, read, put together, redacted and rendered in all forms.
With `--checkout DIR` (a project that was set up) its stack `dev` is previewed by `pulumi preview` alone and by
`pilotlight preview`, in turns.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from infra.report import data, markdown, page, results, text  # noqa: E402
from infra.report.build import stack_report  # noqa: E402
from infra.report.events import read  # noqa: E402
from infra.report.facts import Facts  # noqa: E402
from infra.report.model import Report  # noqa: E402
from infra.report.redact import Redactor  # noqa: E402
from tests.report.made import BASE, HEAD, facts, lines  # noqa: E402

WANTED_S, MORE_S, LIMIT = 0.5, 0.5, 65_536
RENDERERS: dict[str, Callable[[Report], str]] = {
    "markdown": markdown.render,
    "html": page.render,
    "json": data.render,
    "text": text.render,
    "sarif": results.as_sarif,
    "junit": results.as_junit,
}


def main() -> int:
    good = True
    for count in (1, 50, 500):
        stream = list(lines(count))
        about = facts(count)
        spent = {}
        for name, render in RENDERERS.items():

            def whole(
                render: Callable[[Report], str] = render, about: Facts = about, stream: list[str] = stream
            ) -> str:
                made = stack_report(replace(about, stream=read(stream)))
                redactor = Redactor([f"credential-{index}" for index in range(40)], ROOT)
                return render(redactor.all(Report("shop", (made,), HEAD, BASE)))

            spent[name] = best(whole)
        size = len(markdown.render(Report("shop", (stack_report(about),), HEAD, BASE)).encode())
        megabytes = sum(map(len, stream)) / 1e6
        said = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in spent.items())
        good = good and max(spent.values()) < WANTED_S and size <= LIMIT
        print(
            f"{count:>4} resources ({megabytes:.1f} MB): {said}; the comment has {size:,} of {LIMIT:,} bytes"
        )
    print(f"wanted: each below {WANTED_S * 1000:.0f} ms at 500 resources")
    if "--checkout" in sys.argv:
        good = against_the_engine(Path(sys.argv[sys.argv.index("--checkout") + 1])) and good
    return 0 if good else 1


def best(work: Callable[[], object], times: int = 3) -> float:
    """CPU seconds, and the fewest of a few: what a busy machine distorts least."""
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def against_the_engine(root: Path, times: int = 5) -> bool:
    commands = {
        "pulumi preview": [".venv/bin/pulumi", "preview", "--non-interactive", "--stack", "dev"],
        "pilotlight preview": [".venv/bin/pilotlight", "preview", "-s", "dev", "--format", "markdown"],
    }
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, cwd=root, env=dict(os.environ), capture_output=True, check=False)
            spent[name].append(time.perf_counter() - began)
    for name, found in spent.items():
        print(f"{name}: median {statistics.median(found):.2f} s, fastest {min(found):.2f} s")
    more = statistics.median(spent["pilotlight preview"]) - statistics.median(spent["pulumi preview"])
    print(f"{more:+.2f} s (wanted: at most +{MORE_S} s)")
    return more <= MORE_S


if __name__ == "__main__":
    sys.exit(main())
