"""Layers in the lines that client 1.6.4 sends, read as a recipe."""

import shlex

import pytest
from modal_proto import api_pb2

from infra.localcloud.modal.images.recipe import PATH, Install, Recipe, add_layer


def layer(*lines: str, below: Recipe | None = None, mount: str = "", **context: bytes) -> Recipe:
    files = [api_pb2.ImageContextFile(filename=f"/.{name}.txt", data=data) for name, data in context.items()]
    image = api_pb2.Image(dockerfile_commands=list(lines), context_files=files, context_mount_id=mount)
    return add_layer(below or Recipe(), image)


def test_the_clients_own_base_needs_nothing() -> None:
    recipe = layer(
        "FROM python:3.11.12-slim-bookworm",
        "RUN apt-get update",
        "RUN apt-get install -y gcc gfortran build-essential",
        "RUN pip install --upgrade pip wheel uv",
        "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
        "RUN rm -rf /var/lib/apt/lists/*",
        'CMD ["sleep", "172800"]',
    )
    assert (recipe.python, recipe.installs, recipe.notes) == ("3.11", (), ())


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("python -m pip install 'fastapi[standard]' numpy ", ("fastapi[standard]", "numpy")),
        ("pip install --no-cache-dir a==1", ("a==1",)),
        (
            "python -m pip install a --index-url https://x/simple --pre",
            ("a", "--index-url", "https://x/simple", "--prerelease=allow"),
        ),
        ("/.uv/uv pip install --python $(command -v python) --compile-bytecode a", ("a",)),
        ("python -m pip install -r /.requirements.txt", ("-r", "/.requirements.txt")),
        ("uv pip install --system 'a>=1,<2'", ("a>=1,<2",)),
    ],
)
def test_lines_that_install_are_understood(line: str, args: tuple[str, ...]) -> None:
    recipe = layer("FROM base", f"RUN {line}")
    assert recipe.installs == (Install(args),)
    assert recipe.notes == ()


def test_a_requirement_with_a_marker_keeps_its_quotes() -> None:
    wanted = "numpy==2.4.6 ; python_full_version < '3.12'"
    recipe = layer("FROM base", f"RUN python -m pip install {shlex.quote(wanted)} && echo hi")
    assert recipe.installs == (Install((wanted,)),)


def test_commands_in_one_line_are_told_apart() -> None:
    recipe = layer(
        "FROM base",
        "RUN apt-get update && apt-get install -y git curl && \\",
        "  pip install a && echo 'x && y'",
    )
    assert recipe.installs == (Install(("a",)),)
    assert recipe.notes == ("Debian packages are not installed here: git curl", "not run here: echo 'x && y'")


def test_environment_and_folder_build_on_what_is_below() -> None:
    below = layer("FROM base", "ENV A='1 2'", "ENV B=3 C=4", "ENV OLD form of it", "WORKDIR /srv")
    assert below.env == {"A": "1 2", "B": "3", "C": "4", "OLD": "form of it"}
    recipe = layer("FROM base", "ENV D=$B-${A}", "ENV PATH=/opt/bin:$PATH", "WORKDIR app", below=below)
    assert recipe.env["D"] == "3-1 2"
    assert recipe.env["PATH"] == f"/opt/bin:{PATH}"
    assert recipe.workdir == "/srv/app"


def test_files_are_copied_and_the_rest_is_told() -> None:
    recipe = layer(
        "FROM base",
        "COPY /.requirements.txt /.requirements.txt",
        "COPY . /assets",
        "COPY --from=ghcr.io/astral-sh/uv:latest /uv /.uv/uv",
        "COPY odd /odd",
        mount="mo-1",
        requirements=b"a\n",
    )
    assert recipe.files == {"/.requirements.txt": b"a\n"}
    assert recipe.copies == (("mo-1", "/assets"),)
    assert recipe.notes == ("not copied here: odd to /odd",)


def test_an_image_of_elsewhere_is_the_base() -> None:
    recipe = layer("FROM nvidia/cuda:12.4.0-devel-ubuntu22.04", "COPY /python/. /usr/local", "ENTRYPOINT []")
    assert (recipe.base, recipe.python, recipe.notes) == ("nvidia/cuda:12.4.0-devel-ubuntu22.04", "", ())


@pytest.mark.parametrize(
    "value",
    [
        "it's $5",
        "$HOME",
        "${HOME}",
        'say "no"',
        "back\\slash\\",
        " spaces  kept ",
        "",
        "a=b",
        "#x",
        "é😀",
        "'\"'",
    ],
)
def test_a_quoted_variable_arrives_as_it_was_written(value: str) -> None:
    """The client quotes each value for a shell, and a Dockerfile replaces nothing in single quotes."""
    assert layer("FROM base", f"ENV A={shlex.quote(value)}", "ENV B=1").env["A"] == value


def test_variables_are_replaced_outside_single_quotes_only() -> None:
    recipe = layer("FROM base", "ENV A=1", 'ENV B="x$A" C=\'x$A\' D=\\$A E="\\$A\\n"')
    assert recipe.env == {"A": "1", "B": "x1", "C": "x$A", "D": "$A", "E": "$A\\n"}
