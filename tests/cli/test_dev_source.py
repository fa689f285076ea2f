"""What is wrong with a handler's directory, in the developer's own file names and lines."""

from pathlib import Path

import pytest

from infra.cli.dev_source import Broken, Source, files

TRACE = '  File "/tmp/cloud/images/1a2b/app/handler/model.py", line 7, in predict'


@pytest.fixture
def source(tmp_path: Path) -> Source:
    directory = tmp_path / "stacks/search"
    directory.mkdir(parents=True)
    (directory / "model.py").write_text("class Model:\n    pass\n")
    return Source(directory, Path("stacks/search"))


def test_a_syntax_error_has_the_developers_file_and_line(source: Source) -> None:
    (source.directory / "model.py").write_text("class Model:\n    def predict(self, request\n        pass\n")
    with pytest.raises(Broken) as caught:
        source.check_syntax()
    [problem] = caught.value.problems
    assert problem.startswith("stacks/search/model.py:2: ")
    assert "def predict(self, request" in problem


def test_every_file_is_read_not_only_the_one_that_serves(source: Source) -> None:
    (source.directory / "lib").mkdir()
    (source.directory / "lib/words.py").write_text("x = = 1\n")
    (source.directory / "other.py").write_text("def f(:\n")
    with pytest.raises(Broken) as caught:
        source.check_syntax()
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "stacks/search/lib/words.py",
        "stacks/search/other.py",
    ]


def test_a_sound_directory_passes_and_a_missing_one_is_for_the_build_to_tell(source: Source) -> None:
    source.check_syntax()
    Source(source.directory / "gone", Path("gone")).check_syntax()


def test_null_bytes_are_no_traceback(source: Source) -> None:
    (source.directory / "model.py").write_bytes(b"x = 1\0")
    with pytest.raises(Broken, match=r"stacks/search/model\.py"):
        source.check_syntax()


def test_a_problem_of_the_build_gets_the_directory_before_it(source: Source) -> None:
    assert source.located("model.py:3: load is async") == "stacks/search/model.py:3: load is async"
    assert source.located("is larger than 64 MiB") == "is larger than 64 MiB"
    assert (
        source.located(f"handler directory {source.directory} is gone")
        == "handler directory stacks/search is gone"
    )


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            "TypeError: no (model.py line 12, in predict)",
            "stacks/search/model.py:12: in predict: TypeError: no",
        ),
        (
            "load failed: a\nb (model.py line 3, in load)",
            "stacks/search/model.py:3: in load: load failed: a\nb",
        ),
        (
            "TypeError: no (elsewhere.py line 12, in predict)",
            "TypeError: no (elsewhere.py line 12, in predict)",
        ),
        ("question: wanted a text", "question: wanted a text"),
    ],
)
def test_a_workers_error_gets_its_place_first(source: Source, said: str, wanted: str) -> None:
    assert source.explained(said) == wanted


def test_a_frame_shows_the_developers_file(source: Source) -> None:
    assert source.mapped(TRACE) == '  File "stacks/search/model.py", line 7, in predict'
    foreign = TRACE.replace("model.py", "numpy.py")
    assert source.mapped(foreign) == foreign


def test_what_editors_write_for_a_moment_is_not_a_file_of_the_handler(source: Source) -> None:
    for name in (".model.py.swp", "model.py~", "4913", "#model.py#", ".#model.py", "model.py.tmp", "x.pyc"):
        (source.directory / name).write_text("x")
    for folder in ("__pycache__", ".git", "venv"):
        (source.directory / folder).mkdir()
        (source.directory / folder / "x.py").write_text("x")
    (source.directory / "requirements.txt").write_text("")
    (source.directory / ".pilotlightignore").write_text("")
    assert [path.name for path in files(source.directory)] == [
        ".pilotlightignore",
        "model.py",
        "requirements.txt",
    ]
