"""What each forge's API says and takes, as its public description has it, cut to the fields that matter here.

GitHub: @octokit/openapi 23.0.2, api.github.com (issue-comment, pull-request, issue, simple-user). Gitea: swagger v1 of 1.26
(Comment, PullRequest, Issue, User). GitLab: docs.gitlab.com/api (notes, merge_requests, issues, users).
"""

from typing import Any

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def _object(required: str, /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


_HUB_USER = {"anyOf": [_object("login id", login=STRING, id=INTEGER), {"type": "null"}]}
_HUB_REPO = {"anyOf": [_object("full_name owner", full_name=STRING, owner=_HUB_USER), {"type": "null"}]}
_HUB_END = _object("sha ref repo", sha=STRING, ref=STRING, repo=_HUB_REPO)

HUB = {
    "comment": _object("id user body html_url", id=INTEGER, user=_HUB_USER, body=STRING, html_url=STRING),
    "pull": _object(
        "number head base html_url", number=INTEGER, head=_HUB_END, base=_HUB_END, html_url=STRING
    ),
    "issue": _object("number user title body", number=INTEGER, user=_HUB_USER, title=STRING, html_url=STRING),
    "user": _object("login id", login=STRING, id=INTEGER),
}
_LAB_USER = _object("username id", username=STRING, id=INTEGER)
LAB = {
    "comment": _object(
        "id author body system", id=INTEGER, author=_LAB_USER, body=STRING, system={"type": "boolean"}
    ),
    "pull": _object(
        "iid sha state source_project_id target_project_id web_url",
        iid=INTEGER,
        sha=STRING,
        source_project_id=INTEGER,
        target_project_id=INTEGER,
        web_url=STRING,
    ),
    "issue": _object(
        "iid author title description web_url", iid=INTEGER, author=_LAB_USER, description=STRING
    ),
    "user": _LAB_USER,
}


def _strict(required: str, *optional: str) -> dict[str, Any]:
    """What may be sent: anything else is a mistake, as a typing error in a field's name would be."""
    names = [*required.split(), *optional]
    return {
        "type": "object",
        "required": required.split(),
        "additionalProperties": False,
        "properties": {key: {"type": "string", "minLength": 1} for key in names},
    }


SENT = {
    ("hub", "comment"): _strict("body"),
    ("hub", "issue"): _strict("title body"),
    ("hub", "issue-change"): _strict("", "title", "body", "state"),
    ("lab", "comment"): _strict("body"),
    ("lab", "issue"): _strict("title description"),
    ("lab", "issue-change"): _strict("", "title", "description", "state_event"),
}
