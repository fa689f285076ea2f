"""GitHub, GitLab and Gitea over HTTP, as far as comments, pull requests and issues go. Everything sent and said is checked by schema."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from tests.forge.dialects import HUB, LAB, SENT
from tests.forge.world import REPO, Note, Request, Topic, World

LONGEST = {"github": 65_536, "gitlab": 1_000_000, "gitea": 10**9}
JOB_AUTHOR = {"github": "github-actions[bot]", "gitlab": "", "gitea": "gitea-actions"}
_BASE = {"github": "", "gitlab": "/api/v4", "gitea": "/api/v1"}


class Answer(Exception):
    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


@contextlib.contextmanager
def serve(kind: str, world: World) -> Iterator[str]:
    """The API's base URL while it runs, on 127.0.0.1."""
    handler = type("Handler", (_Handler,), {"kind": kind, "world": world})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{_BASE[kind]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    kind: str
    world: World
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PATCH = do_PUT = do_GET

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(length)) if length else None
        split = urlsplit(self.path)
        self.world.log.append((self.command, self.path))
        fault = self.world.fault_for(self.command)
        if fault is None or fault.done:
            answer = self._answer(split.path, {k: v[-1] for k, v in parse_qs(split.query).items()}, sent)
        if fault is not None:
            if fault.silent:
                self.close_connection = True
                return
            answer = Answer(fault.status, fault.body, fault.headers)
        self._write(answer)

    def _answer(self, path: str, query: dict[str, str], sent: Any) -> Answer:
        try:
            if not path.startswith(_BASE[self.kind]):
                raise Answer(404, "<html>not here</html>")
            author = self._author()
            dialect = _Lab if self.kind == "gitlab" else _Hub
            return dialect(self.kind, self.world, author).route(
                self.command, path[len(_BASE[self.kind]) :], query, sent
            )
        except Answer as answer:
            return answer
        except jsonschema.ValidationError as error:
            return Answer(500, {"message": f"the test's forge: {error.message}"})

    def _author(self) -> str:
        raw = self.headers.get("PRIVATE-TOKEN" if self.kind == "gitlab" else "Authorization", "")
        scheme, _, token = raw.rpartition(" ")
        wanted = {"github": "Bearer", "gitlab": "", "gitea": "token"}[self.kind]
        if scheme != wanted or token not in self.world.tokens:
            raise Answer(401, {"message": "Bad credentials"})
        if token in self.world.readers and self.command != "GET":
            raise Answer(403, {"message": "Resource not accessible by integration"})
        return self.world.tokens[token]

    def _write(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        data = body.encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Dialect:
    family = ""
    schemas: dict[str, Any] = {}

    def __init__(self, kind: str, world: World, author: str) -> None:
        self.kind, self.world, self.author = kind, world, author or JOB_AUTHOR[kind]
        self.may_ask = bool(author)

    def route(self, method: str, path: str, query: dict[str, str], sent: Any) -> Answer:
        for wanted, pattern, name in self.routes:
            found = re.fullmatch(pattern, path)
            if found and wanted == method:
                return getattr(self, name)(*found.groups(), query=query, sent=sent)  # type: ignore[no-any-return]
        raise Answer(404, {"message": "Not Found"})

    routes: tuple[tuple[str, str, str], ...] = ()

    def told(self, what: str, item: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        # Of a long list the ends will do: its items are all made by the same hand.
        for one in [*item[:1], *item[-1:]] if isinstance(item, list) else [item]:
            jsonschema.validate(one, self.schemas[what])
        return Answer(status, item, headers)

    def taken(self, what: str, sent: Any) -> None:
        jsonschema.validate(sent, SENT[self.family, what])
        if any(len(value) > LONGEST[self.kind] for value in sent.values()):
            self.too_long()

    def too_long(self) -> None:
        raise NotImplementedError

    def pull_of(self, number: str) -> Request:
        if int(number) not in self.world.pulls:
            raise Answer(404, {"message": "Not Found"})
        return self.world.pulls[int(number)]

    def note_of(self, number: str) -> Note:
        for pull in self.world.pulls.values():
            for note in pull.notes:
                if note.id == int(number):
                    if note.author != self.author:
                        raise Answer(403, {"message": "you may not change another's comment"})
                    return note
        raise Answer(404, {"message": "Not Found"})

    def topic_of(self, number: str) -> Topic:
        return next(topic for topic in self.world.topics if topic.number == int(number))

    def page(
        self, items: list[Any], query: dict[str, str], size: str, most: int
    ) -> tuple[list[Any], bool, int]:
        count = min(int(query.get(size, 30)), most)
        number = int(query.get("page", 1))
        return items[(number - 1) * count : number * count], number * count < len(items), number


class _Hub(_Dialect):
    family = "hub"
    schemas = HUB
    repo = rf"/repos/{REPO}"
    routes = (
        ("GET", "/user", "user"),
        ("GET", rf"{repo}/pulls/(\d+)", "pull"),
        ("GET", rf"{repo}/pulls", "pulls"),
        ("GET", rf"{repo}/commits/(\w+)/pulls?", "made_by"),
        ("GET", rf"{repo}/issues/(\d+)/comments", "comments"),
        ("POST", rf"{repo}/issues/(\d+)/comments", "comment"),
        ("PATCH", rf"{repo}/issues/comments/(\d+)", "edit"),
        ("GET", rf"{repo}/issues", "issues"),
        ("POST", rf"{repo}/issues", "open"),
        ("PATCH", rf"{repo}/issues/(\d+)", "change"),
    )

    def user(self, query: Any, sent: Any) -> Answer:
        if not self.may_ask:
            raise Answer(403, {"message": "Resource not accessible by integration"})
        return self.told("user", _login(self.author))

    def pull(self, number: str, query: Any, sent: Any) -> Answer:
        return self.told("pull", self._pull(self.pull_of(number)))

    def pulls(self, query: dict[str, str], sent: Any) -> Answer:
        found = [pull for pull in self.world.pulls.values() if pull.state == query["state"]]
        if self.kind == "github":
            found = [pull for pull in found if f"{pull.owner}:{pull.branch}" == query["head"]]
        return self._paged("pull", [self._pull(pull) for pull in found], query)

    def made_by(self, sha: str, query: Any, sent: Any) -> Answer:
        found = [self._pull(pull) for pull in self.world.pulls.values() if pull.merge == sha]
        if self.kind == "github":
            return self._paged("pull", found, query)
        if not found:
            raise Answer(404, {"message": "not found"})
        return self.told("pull", found[0])

    def comments(self, number: str, query: dict[str, str], sent: Any) -> Answer:
        items = [self._note(note) for note in self.pull_of(number).notes]
        # Gitea has no pages here: swagger v1, issueGetComments.
        return self._paged("comment", items, query) if self.kind == "github" else self.told("comment", items)

    def comment(self, number: str, query: Any, sent: Any) -> Answer:
        self.taken("comment", sent)
        self.pull_of(number)
        return self.told("comment", self._note(self.world.say(sent["body"], self.author, int(number))), 201)

    def edit(self, number: str, query: Any, sent: Any) -> Answer:
        self.taken("comment", sent)
        note = self.note_of(number)
        note.body = sent["body"]
        return self.told("comment", self._note(note))

    def issues(self, query: dict[str, str], sent: Any) -> Answer:
        by = query.get("creator" if self.kind == "github" else "created_by")
        topics = [
            topic for topic in self.world.topics if topic.state == "open" and by in (None, topic.author)
        ]
        found = [self._topic(topic) for topic in topics]
        if self.kind == "github":
            found[:0] = [
                self._topic(Topic(7, self.author, "a change", self.world.pulls[7].text))
                | {"pull_request": {"url": "x"}}
            ]
        return self._paged("issue", found, query)

    def open(self, query: Any, sent: Any) -> Answer:
        self.taken("issue", sent)
        topic = Topic(next(self.world.ids), self.author, sent["title"], sent["body"])
        self.world.topics.append(topic)
        return self.told("issue", self._topic(topic), 201)

    def change(self, number: str, query: Any, sent: Any) -> Answer:
        self.taken("issue-change", sent)
        topic = self.topic_of(number)
        topic.body, topic.state = sent.get("body", topic.body), sent.get("state", topic.state)
        return self.told("issue", self._topic(topic))

    def too_long(self) -> None:
        said = "Body is too long (maximum is 65536 characters)"
        errors = [{"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": said}]
        raise Answer(422, {"message": "Validation Failed", "errors": errors})

    def _paged(self, what: str, items: list[Any], query: dict[str, str]) -> Answer:
        size, most = ("per_page", 100) if self.kind == "github" else ("limit", 50)
        shown, more, number = self.page(items, query, size, most)
        # An address elsewhere: whoever follows it gives the token away.
        link = {"Link": f'<https://elsewhere.test/?page={number + 1}>; rel="next"'} if more else {}
        return self.told(what, shown, headers=link)

    def _pull(self, pull: Request) -> dict[str, Any]:
        def end(owner: str, sha: str, ref: str) -> dict[str, Any]:
            repo = {"full_name": f"{owner}/shop", "owner": _login(owner)} if owner else None
            return {"sha": sha, "ref": ref, "repo": repo}

        merged = {"merged": bool(pull.merge), "merged_at": "2026-11-24T00:00:00Z" if pull.merge else None}
        ends = {"head": end(pull.owner, pull.head, pull.branch), "base": end("acme", "0" * 40, "main")}
        return {"number": pull.number, "html_url": f"https://forge.test/pull/{pull.number}", **ends, **merged}

    def _note(self, note: Note) -> dict[str, Any]:
        user = _login(note.author) if note.author else None
        return {"id": note.id, "user": user, "body": note.body, "html_url": f"https://forge.test/#{note.id}"}

    def _topic(self, topic: Topic) -> dict[str, Any]:
        text = {"title": topic.title, "body": topic.body, "state": topic.state}
        return {
            "number": topic.number,
            "user": _login(topic.author),
            "html_url": f"https://forge.test/{topic.number}",
        } | text


class _Lab(_Dialect):
    family = "lab"
    schemas = LAB
    project = "/projects/acme%2Fshop"
    routes = (
        ("GET", "/user", "user"),
        ("GET", rf"{project}/merge_requests/(\d+)", "pull"),
        ("GET", rf"{project}/merge_requests", "pulls"),
        ("GET", rf"{project}/repository/commits/(\w+)/merge_requests", "made_by"),
        ("GET", rf"{project}/merge_requests/(\d+)/notes", "comments"),
        ("POST", rf"{project}/merge_requests/(\d+)/notes", "comment"),
        ("PUT", rf"{project}/merge_requests/(\d+)/notes/(\d+)", "edit"),
        ("GET", rf"{project}/issues", "issues"),
        ("POST", rf"{project}/issues", "open"),
        ("PUT", rf"{project}/issues/(\d+)", "change"),
    )

    def user(self, query: Any, sent: Any) -> Answer:
        return self.told("user", _username(self.author))

    def pull(self, number: str, query: Any, sent: Any) -> Answer:
        return self.told("pull", self._pull(self.pull_of(number)))

    def pulls(self, query: dict[str, str], sent: Any) -> Answer:
        found = [
            pull
            for pull in self.world.pulls.values()
            if pull.state == "open" and pull.branch == query["source_branch"]
        ]
        return self._paged("pull", [self._pull(pull) for pull in found], query)

    def made_by(self, sha: str, query: dict[str, str], sent: Any) -> Answer:
        found = [self._pull(pull) for pull in self.world.pulls.values() if pull.merge == sha]
        return self._paged("pull", found, query)

    def comments(self, number: str, query: dict[str, str], sent: Any) -> Answer:
        assert query["sort"] == "asc"
        return self._paged("comment", [self._note(note) for note in self.pull_of(number).notes], query)

    def comment(self, number: str, query: Any, sent: Any) -> Answer:
        self.taken("comment", sent)
        self.pull_of(number)
        return self.told("comment", self._note(self.world.say(sent["body"], self.author, int(number))), 201)

    def edit(self, number: str, note_id: str, query: Any, sent: Any) -> Answer:
        self.taken("comment", sent)
        note = self.note_of(note_id)
        note.body = sent["body"]
        return self.told("comment", self._note(note))

    def issues(self, query: dict[str, str], sent: Any) -> Answer:
        by = query["author_username"]
        found = [
            self._topic(topic) for topic in self.world.topics if (topic.author, topic.state) == (by, "open")
        ]
        return self._paged("issue", found, query)

    def open(self, query: Any, sent: Any) -> Answer:
        self.taken("issue", sent)
        topic = Topic(next(self.world.ids), self.author, sent["title"], sent["description"])
        self.world.topics.append(topic)
        return self.told("issue", self._topic(topic), 201)

    def change(self, number: str, query: Any, sent: Any) -> Answer:
        self.taken("issue-change", sent)
        topic = self.topic_of(number)
        topic.body = sent.get("description", topic.body)
        topic.state = "closed" if sent.get("state_event") == "close" else topic.state
        return self.told("issue", self._topic(topic))

    def too_long(self) -> None:
        raise Answer(400, {"message": {"note": ["is too long (maximum is 1000000 characters)"]}})

    def _paged(self, what: str, items: list[Any], query: dict[str, str]) -> Answer:
        shown, more, number = self.page(items, query, "per_page", 100)
        return self.told(what, shown, headers={"X-Next-Page": str(number + 1) if more else ""})

    def _pull(self, pull: Request) -> dict[str, Any]:
        state = "merged" if pull.merge else {"open": "opened"}.get(pull.state, pull.state)
        projects = {"source_project_id": 1 if pull.owner == "acme" else 2, "target_project_id": 1}
        where = {"iid": pull.number, "web_url": f"https://forge.test/{pull.number}"}
        return {"sha": pull.head, "state": state, **projects, **where}

    def _note(self, note: Note) -> dict[str, Any]:
        author = _username(note.author or "ghost")
        return {"id": note.id, "author": author, "body": note.body, "system": note.system}

    def _topic(self, topic: Topic) -> dict[str, Any]:
        text = {"title": topic.title, "description": topic.body, "state": topic.state}
        return {
            "iid": topic.number,
            "author": _username(topic.author),
            "web_url": f"https://forge.test/{topic.number}",
        } | text


def _login(name: str) -> dict[str, Any]:
    return {"login": unquote(name), "id": 1}


def _username(name: str) -> dict[str, Any]:
    return {"username": name, "id": 1}
