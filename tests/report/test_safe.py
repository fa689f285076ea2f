"""Names and messages of somebody else do nothing in Markdown, in a table or at a terminal."""

import re

import pytest

from infra.report.safe import clean, code, fence, markdown, one_line, terminal

EVIL = "a|b `c|` <img src=x onerror=alert(1)> @everyone #12 [x](http://evil) **b** _i_ \u202egnp.exe\u2069 ~~s~~ \\"


def test_nothing_of_it_is_markup() -> None:
    said = markdown(EVIL)
    assert re.search(r"[|`*<>\[\]\\~\n]|@\w|(?<!&)#\d|://|\u202e|\u2069", said) is None


@pytest.mark.parametrize("name", ["search", "search-on-modal", "a.b_c"])
def test_a_plain_name_is_plain(name: str) -> None:
    assert code(name) == f"`{name}`"


def test_a_name_that_is_not_plain_is_code_and_harmless() -> None:
    assert code("a`b|c\n@d") == "<code>a&#96;b&#124;c @&#8203;d</code>"


def test_words_inside_stay_readable() -> None:
    assert markdown("idle_timeout_s is 60 s, over 5.0 (SLO)") == "idle_timeout_s is 60 s, over 5.0 (SLO)"
    assert markdown("a __b__") == "a &#95;&#95;b&#95;&#95;"


def test_a_few_words_of_code_stay_code() -> None:
    assert markdown("judged at `up`, by [x]") == "judged at `up`, by &#91;x&#93;"
    assert "`" not in markdown("`up|`, `<b>`, `")


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert fence(["a ```` b", "`"]) == "`````"
    assert fence([]) == "```"


def test_a_terminal_gets_no_escape_sequences() -> None:
    assert terminal("a\x1b[31mred\nb") == "a\ufffd[31mred\nb"
    assert clean("a\u200bb\u2028c") == "a\ufffdb\ufffdc"


def test_long_texts_end() -> None:
    assert len(one_line("x" * 5_000)) == 600
