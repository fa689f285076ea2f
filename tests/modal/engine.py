"""The engine as Modal's resources meet it."""

from tests.kit import one_stack
from tests.kit.one_stack import Diff, Entry, Failed, Refused, secret

__all__ = ["Diff", "Engine", "Entry", "Failed", "Refused", "secret", "urn"]


class Engine(one_stack.Engine):
    package = "pilotlight-modal"


urn = Engine.urn
