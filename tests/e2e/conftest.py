"""Fixtures of the end-to-end tests. They need what `make setup` made, and say so where it is missing."""

from collections.abc import Iterator

import pytest

from infra.cli.toolchain import ToolchainError, toolchain
from tests.e2e.checkout import Checkout


@pytest.fixture(scope="session")
def _tools() -> None:
    try:
        toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def _deployed(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, str]]:
    checkout = Checkout.make(tmp_path_factory.mktemp("lit") / "app")
    try:
        yield checkout, checkout.up()
    finally:
        checkout.run("pilotlight", "cloud", "down", code=None)


@pytest.fixture
def lit(_deployed: tuple[Checkout, str]) -> Iterator[Checkout]:
    """The demo, deployed. A test may change the program; what it did is taken back."""
    checkout, _ = _deployed
    program = (checkout.root / "stacks/__main__.py").read_text()
    settings = (checkout.root / "stacks/Pulumi.dev.yaml").read_text()
    yield checkout
    if not checkout.cloud_runs:
        checkout.run("pilotlight", "cloud", "up")
    checkout.settle()
    (checkout.root / "stacks/__main__.py").write_text(program)
    (checkout.root / "stacks/Pulumi.dev.yaml").write_text(settings)


@pytest.fixture
def first_up(_deployed: tuple[Checkout, str]) -> str:
    """What the very first `pulumi up` printed."""
    return _deployed[1]


@pytest.fixture
def fresh(_tools: None, tmp_path: object) -> Iterator[Checkout]:
    """A checkout in which nothing has run yet."""
    from pathlib import Path

    checkout = Checkout.make(Path(str(tmp_path)) / "app")
    yield checkout
    checkout.run("pilotlight", "cloud", "down", code=None)
