"""Which stacks a change touches."""

from pathlib import Path

import pytest

from infra.cli.preview_touched import touched

PROJECT = {"main": "stacks/", "stackConfigDir": "stacks"}
STACKS = ["dev", "prod"]
FILES = {
    "stacks/__main__.py": 'import near\nfrom lib import far\nhandler = "models/chat"\nlazy = "lib.late:Thing"\n',
    "stacks/near.py": "def f():\n    from lib.inner import deep\n",
    "lib/__init__.py": "",
    "lib/far.py": "from . import beside\n",
    "lib/beside.py": "",
    "lib/late.py": "",
    "lib/prices.yaml": "",
    "lib/inner/__init__.py": "",
    "lib/inner/deep.py": "",
    "other/__init__.py": "",
    "other/thing.py": "",
    "models/chat/model.py": "",
    "models/else/model.py": "",
    "docs/x.md": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "stacks"),
    [
        ("stacks/__main__.py", STACKS),
        ("stacks/near.py", STACKS),
        ("lib/far.py", STACKS),
        ("lib/beside.py", STACKS),
        ("lib/late.py", STACKS),
        ("lib/inner/deep.py", STACKS),
        ("lib/prices.yaml", STACKS),
        ("models/chat/model.py", STACKS),
        ("models/chat/new/deep.txt", STACKS),
        ("Pulumi.yaml", STACKS),
        ("uv.lock", STACKS),
        ("policies/rules/x.py", STACKS),
        ("policies/settings.yaml", STACKS),
        ("stacks/Pulumi.prod.yaml", ["prod"]),
        ("stacks/placement.dev.yaml", ["dev"]),
        ("stacks/Pulumi.gone.yaml", []),
        ("models/else/model.py", []),
        ("other/thing.py", []),
        ("docs/x.md", []),
        ("README.md", []),
    ],
)
def test_files(root: Path, file: str, stacks: list[str]) -> None:
    assert list(touched(root, PROJECT, STACKS, [file])) == stacks


def test_each_stack_has_the_file_that_touches_it(root: Path) -> None:
    found = touched(root, PROJECT, STACKS, ["docs/x.md", "stacks/Pulumi.prod.yaml", "lib/far.py"])
    assert found == {"dev": "lib/far.py", "prod": "stacks/Pulumi.prod.yaml"}


def test_a_program_that_cannot_be_parsed_is_touched_by_everything(root: Path) -> None:
    (root / "stacks/near.py").write_text("def (:\n")
    assert list(touched(root, PROJECT, STACKS, ["docs/x.md"])) == STACKS


@pytest.mark.parametrize(
    ("before", "after", "stacks"),
    [
        ("a: {}\nstacks: {prod: {x: {}}}\n", "a: {}\nstacks: {prod: {x: {max: 1}}}\n", ["prod"]),
        ("a: {}\nstacks: {prod: {x: {}}}\n", "a: {}\nstacks: {prod: {x: {}}, dev: {}}\n", ["dev"]),
        ("a: {}\n", "a: {max: 1}\n", STACKS),
        ("a: {}\n", "a: [\n", STACKS),
    ],
)
def test_settings_of_rules_touch_the_stacks_they_are_for(
    root: Path, before: str, after: str, stacks: list[str]
) -> None:
    base = root / "base"
    for place, text in ((base, before), (root, after)):
        (place / "policies").mkdir(parents=True)
        (place / "policies/settings.yaml").write_text(text)
    assert list(touched(root, PROJECT, STACKS, ["policies/settings.yaml"], base)) == stacks
