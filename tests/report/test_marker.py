"""The marker of a comment: written and read by the same hands, and nothing else is taken for one."""

import pytest

from infra.report.marker import NO_HEAD, Marker

ONE = Marker("shop", "prod--eu.1-", "ab" * 32, "1a2b3c4d")


def test_what_is_written_is_read() -> None:
    assert Marker.parse(ONE.line()) == ONE
    assert Marker.parse(f"{ONE.line()}\n### more\n") == ONE
    assert Marker.parse(f"{ONE.line()}\r\nmore") == ONE  # some forges send text back with such ends
    assert Marker.parse(Marker("shop", "dev", "ab" * 32, NO_HEAD).line()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        f"> {ONE.line()}",
        f"hello\n{ONE.line()}",
        f"{ONE.line()} and more",
        ONE.line().replace("digest=ab", "digest=xy"),
        ONE.line().replace(" head=1a2b3c4d", ""),
        ONE.line().replace("shop/", "shop/x/"),
    ],
)
def test_nothing_else_is_a_marker(text: str) -> None:
    assert Marker.parse(text) is None


@pytest.mark.parametrize("name", ["a b", "a>b", "", "a\nb"])
def test_a_name_that_would_end_the_marker_early_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no marker"):
        Marker("shop", name, "ab" * 32, "1a2b3c4d").line()


def test_a_stack_has_one_comment_whatever_it_says() -> None:
    assert ONE.same_comment(Marker("shop", "prod--eu.1-", "cd" * 32, "ffffffff"))
    assert not ONE.same_comment(Marker("shop", "prod", "ab" * 32, "1a2b3c4d"))
