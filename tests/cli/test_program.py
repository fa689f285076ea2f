"""A program runs without the engine: what it declares is told, what it cannot know is unknown, what fails is explained."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from infra.cli import program
from infra.spec.findings import UNKNOWN

ROOT = Path(__file__).parents[2]
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def project(source: str, settings: str = "", files: Mapping[str, str] | None = None) -> Path:
        (tmp_path / "stacks").mkdir()
        (tmp_path / "Pulumi.yaml").write_text(
            "name: shop\nruntime: python\nmain: stacks/\nstackConfigDir: stacks\n"
        )
        (tmp_path / "stacks/Pulumi.dev.yaml").write_text(settings)
        for name, text in {"stacks/__main__.py": source, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return project


def test_this_project_declares_its_endpoint_on_both_clouds() -> None:
    found = program.run(ROOT, "dev")
    by_name = {declaration.name: declaration for declaration in found.declarations if declaration.custom}
    endpoint = by_name["search-on-modal"]
    assert endpoint.type == "pilotlight-modal:index:App"
    assert endpoint.inputs["classes"]["Model"]["maxContainers"] == 2
    line = ROOT.joinpath(endpoint.source[0]).read_text().splitlines()[endpoint.source[1] - 1]
    assert "search-on-modal" in line
    assert endpoint.parent == "urn:pulumi:dev::pilotlight::pilotlight:index:ModelEndpoint::search-on-modal"
    assert endpoint.urn == (
        "urn:pulumi:dev::pilotlight::pilotlight:index:ModelEndpoint$pilotlight-modal:index:App::search-on-modal"
    )


RESOURCE = """
    import pulumi
    class Thing(pulumi.CustomResource):
        made: pulumi.Output[str]
        def __init__(self, name, **props):
            super().__init__("shop:index:Thing", name, {"made": None, **props})
"""


def test_outputs_of_resources_are_unknown_and_what_was_given_is_known(make: Make) -> None:
    root = make(
        RESOURCE
        + """
    first = Thing("first", size=3)
    Thing("second", size=first.size, address=first.made, id_of=first.id)
    """
    )
    second = program.run(root, "dev").declarations[1]
    assert second.inputs == {"size": 3, "address": UNKNOWN, "id_of": UNKNOWN}


def test_settings_reach_the_program_and_secrets_do_not(make: Make) -> None:
    root = make(
        RESOURCE
        + """
    config = pulumi.Config()
    Thing("one", plain=config.require_int("size"), nested=config.require_object("limits"),
          hidden=config.require_secret("token"), open=pulumi.Config("cloud").require("target"))
    """,
        "config:\n  shop:size: 3\n  shop:limits: {max: 2}\n  cloud:target: local\n"
        "  shop:token: {secure: v1:abc:cipher}\n",
    )
    inputs = program.run(root, "dev").declarations[0].inputs
    assert inputs == {"plain": 3, "nested": {"max": 2}, "hidden": UNKNOWN, "open": "local"}


def test_the_programs_own_warnings_are_kept(make: Make) -> None:
    root = make("import pulumi\npulumi.log.warn('mind the gap')\n")
    assert program.run(root, "dev").warnings == ("mind the gap",)


def test_what_a_program_prints_does_not_disturb(make: Make) -> None:
    root = make(RESOURCE + "\n    print('{')\n    Thing('one')\n")
    assert [one.name for one in program.run(root, "dev").declarations] == ["one"]


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("import pulumi\n1 / 0\n", "ZeroDivisionError: division by zero (stacks/__main__.py, line 2)", 2),
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'", 1),
        ("def broken(:\n", "SyntaxError: invalid syntax (stacks/__main__.py, line 1)", 1),
        ("import sys\nsys.exit('no budget')\n", "the program ended itself with 'no budget'", None),
        ("import pulumi\nraise pulumi.RunError('what, wanted, fix')\n", "what, wanted, fix", None),
        ("import os\nos._exit(7)\n", "it ended with 7", None),
        (
            "import pulumi\npulumi.Config().require('size')\n",
            "Missing required configuration variable 'shop:size'",
            None,
        ),
    ],
)
def test_a_program_that_fails_is_explained_without_a_traceback(
    make: Make, source: str, message: str, line: int | None
) -> None:
    with pytest.raises(program.ProgramError) as failure:
        program.run(make(source), "dev")
    assert message in str(failure.value)
    assert "Traceback" not in str(failure.value)
    if line is not None:
        assert failure.value.source == ("stacks/__main__.py", line)


def test_an_error_in_a_module_of_the_program_names_that_module(make: Make) -> None:
    root = make("import shelf\n", files={"stacks/shelf.py": "\nwidth = {}['x']\n"})
    with pytest.raises(program.ProgramError) as failure:
        program.run(root, "dev")
    assert failure.value.source == ("stacks/shelf.py", 2)


def test_a_program_that_never_ends_is_ended(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_LONGEST_S", 1.0)
    with pytest.raises(program.ProgramError, match="did not end within 1 s"):
        program.run(make("import threading\nthreading.Event().wait()\n"), "dev")


def test_credentials_of_this_process_are_not_the_programs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "canary")
    root = make(
        RESOURCE + "\n    import os\n    Thing('one', key=os.environ.get('RUNPOD_API_KEY', 'none'))\n"
    )
    assert program.run(root, "dev").declarations[0].inputs == {"key": "none"}


def test_a_work_tree_runs_its_own_modules(make: Make) -> None:
    root = make(
        RESOURCE + "\n    import components\n    Thing('one', version=components.VERSION)\n",
        files={"components/__init__.py": "VERSION = 'of the base'\n"},
    )
    assert program.run(root, "dev").declarations[0].inputs == {"version": "of the base"}


def test_an_unknown_stack_names_its_nearest(make: Make) -> None:
    with pytest.raises(program.ProgramError, match=r"did you mean dev\?"):
        program.run(make(""), "devv")


def test_settings_that_are_no_mapping_are_refused(make: Make) -> None:
    with pytest.raises(program.ProgramError, match=r"Pulumi\.dev\.yaml is list"):
        program.run(make("", "- 1\n"), "dev")
