"""An imported object: what the cloud never returns is believed, and is no difference until it was declared once."""

from infra.kit import Change, Model, prop
from infra.kit.diff import diff
from infra.kit.mark import HIDDEN
from infra.kit.state import load_state
from infra.kit.wire import Secret

ENTRY = "pl-abcdefgh-abcdefghij-abcdefgh+nonce"


class Login(Model):
    name: str = prop(desc="Name.")
    password: str = prop(secret=True, write_only=True, change=Change.REPLACE, desc="Password.")


def test_an_unknown_password_of_an_imported_object_is_no_difference() -> None:
    assert diff(Login, {"name": "a"}, {"name": "a", "password": "x", HIDDEN: ENTRY}) == []


def test_every_other_difference_of_it_still_is() -> None:
    (found,) = diff(Login, {"name": "a"}, {"name": "b", "password": "x", HIDDEN: ENTRY})
    assert found.text == "name"


def test_once_declared_a_change_of_it_replaces() -> None:
    olds = {"name": "a", "password": "x", HIDDEN: ENTRY}
    (found,) = diff(Login, olds, olds | {"password": "y"})
    assert (found.text, found.change) == ("password", Change.REPLACE)


def test_an_object_of_ours_that_lacks_it_gets_it() -> None:
    (found,) = diff(Login, {"name": "a", HIDDEN: ENTRY}, {"name": "a", "password": "x", HIDDEN: ENTRY})
    assert found.text == "password"


class Book(Model):
    title: str = prop(desc="Title.")
    shelf: str | None = prop(None, ignore=True, desc="Where it stands; the library never asks.")


class Case(Model):
    books: list[Book] = prop(desc="Books.")


def test_fields_that_make_no_call_are_no_difference_of_an_imported_object_at_any_depth() -> None:
    olds = {"books": [{"title": "a"}]}
    news = {"books": [{"title": "a", "shelf": "x"}], HIDDEN: ENTRY}
    assert diff(Case, olds, news) == []
    (found,) = diff(Case, olds | {HIDDEN: ENTRY}, news)
    assert (found.text, found.silent) == ("books[0].shelf", True)


def test_what_is_secret_in_the_program_becomes_secret_in_the_state_after_an_import() -> None:
    (found,) = diff(Login, {"name": "a"}, {"name": Secret("a"), HIDDEN: ENTRY})
    assert (found.text, found.silent) == ("name", True)


def test_the_inputs_say_what_the_cloud_never_returns() -> None:
    class State(Login):
        url: str = prop(desc="Where it is.")

    state = load_state(
        State, {"name": "a", "password": "declared"}, {"name": "b", "password": "", "url": "u"}
    )
    assert isinstance(state, State)
    assert (state.name, state.password) == ("b", "declared")
