"""Comments and issues on a forge: GitHub, GitLab, Gitea and Forgejo behind one small protocol."""

from infra.forge.errors import ForgeError
from infra.forge.model import Comment, Forge, Kind, Pull
from infra.forge.place import Place, open_forge
from infra.forge.publish import Action, Outcome, close_issue, publish, publish_issue, reviewed

__all__ = [
    "Action",
    "Comment",
    "Forge",
    "ForgeError",
    "Kind",
    "Outcome",
    "Place",
    "Pull",
    "close_issue",
    "open_forge",
    "publish",
    "publish_issue",
    "reviewed",
]
