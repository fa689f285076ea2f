"""An imported object: what the cloud never returns is believed, and is no difference until it was declared once."""

from infra.kit import Change, Model, prop
from infra.kit.diff import diff
from infra.kit.mark import HIDDEN

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
