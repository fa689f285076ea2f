"""Review stacks in the backend: which are there, whose they are, and how one is made and removed."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.cli import engine, program
from infra.cli.review_lease import KEY, Lease, is_review, short
from infra.kit.local import LocalCloudError

_HEAD = "# Written by `pilotlight review up`, and removed by `pilotlight review down` or the reaper. Do not commit it.\n"
_LOCKED = "currently locked"


@dataclass(frozen=True)
class Done:
    """How a call of the engine ended. `locked`: another one is at work on the stack."""

    code: int
    text: str

    @property
    def locked(self) -> bool:
        return _LOCKED in self.text


class Stacks:
    """The stacks of the project at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Every stack of the backend that is called like a review stack. Raises EngineError."""
        return list(self._listed())

    def find(self, stack: str) -> str | None:
        """The backend's full name of the stack that is called so."""
        return next((one for one in self.names() if short(one) == stack), None)

    def lease(self, stack: str) -> Lease | None:
        """None where nothing says that it is ours. Raises ReviewError.

        Its tag says so; its settings here only of one that has nothing in it yet: they may be of an earlier stack.
        """
        listed = self._listed()
        said: list[Any] = []
        if stack in listed:
            done = self._pulumi("stack", "tag", "ls", "--json", "--stack", stack)
            if done.code:
                raise engine.EngineError(
                    f"the tags of stack {stack!r} cannot be read: {done.text.strip()}", fix="run it again"
                )
            said.append(json.loads(done.text or "{}").get(KEY))
        if not listed.get(stack):
            said.append((self.settings(stack).get("config") or {}).get(KEY))
        for text in said:
            if isinstance(text, str) and (lease := Lease.parse(text, stack)) is not None:
                return lease
        return None

    def hold(self, stack: str, lease: Lease) -> None:
        done = self._pulumi("stack", "tag", "set", KEY, lease.line(), "--stack", stack)
        if done.code:
            raise engine.EngineError(
                f"the lease of stack {stack!r} cannot be kept: {done.text.strip()}",
                wanted="a backend with stack tags: without one no reaper would find the stack",
                fix="run it again",
            )

    def make(self, stack: str, base: str) -> None:
        """An empty stack. Its settings must already name it as ours."""
        arguments = ["stack", "init", stack, "--no-select"]
        if provider := self.settings(base).get("secretsprovider"):
            arguments += ["--secrets-provider", str(provider)]
        done = self._pulumi(*arguments)
        if done.code:
            self.path(stack).unlink(
                missing_ok=True
            )  # or it would say of somebody else's stack that it is ours
            raise engine.EngineError(
                f"stack {stack!r} cannot be made: {done.text.strip()}",
                fix="see that the backend can be reached",
            )

    def copy_secrets(self, base: str, stack: str) -> None:
        """The secrets of the base's settings, encrypted anew. They pass through this process, never through its arguments."""
        config = self.settings(base).get("config") or {}
        paths = [*secrets_in(config)]
        if not paths:
            return
        done = self._pulumi("config", "--show-secrets", "--json", "--stack", base)
        if done.code:
            raise engine.EngineError(
                f"the secrets of stack {base!r} cannot be read: {done.text.strip()}",
                fix=f"see that `pulumi config -s {base}` works here",
            )
        open_ = {key: one.get("objectValue", one.get("value")) for key, one in json.loads(done.text).items()}
        for path in paths:
            value: Any = open_
            for step in path:
                value = value[step]
            # The CLI takes one line break off the end, so that it must be one of ours.
            done = self._pulumi(
                "config", "set", "--path", _path(path), "--secret", "--stack", stack, given=f"{value}\n"
            )
            if done.code:
                raise engine.EngineError(
                    f"the secret setting {_path(path)} cannot be copied: {done.text.strip()}",
                    fix="run it again",
                )

    def up(self, stack: str) -> int:
        return engine.run(self.root, "up", "--yes", "--skip-preview", "--stack", stack)

    def remove(self, stack: str) -> Done:
        """Destroy what it has, then forget the stack and its settings. Needs neither its program nor its settings file."""
        done = self._pulumi("destroy", "--yes", "--skip-preview", "--remove", "--stack", stack)
        if done.code == 0:
            self.path(stack).unlink(missing_ok=True)
        return done

    def restore(self, stack: str) -> None:
        """The settings of a stack that was deployed from another machine."""
        if not self.path(stack).exists():
            self._pulumi("config", "refresh", "--force", "--stack", stack)

    def path(self, stack: str) -> Path:
        directory = self.root / str(program.project(self.root).get("stackConfigDir") or ".")
        return directory / f"Pulumi.{short(stack)}.yaml"

    def settings(self, stack: str) -> dict[str, Any]:
        """{} where there is no file. Raises ProgramError for one that cannot be read."""
        path = self.path(stack)
        return program.read_yaml(path) if path.exists() else {}

    def write(self, stack: str, settings: Mapping[str, Any]) -> None:
        text = _HEAD + yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
        path = self.path(stack)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)

    def _listed(self) -> dict[str, int]:
        """How many resources each has."""
        done = self._pulumi("stack", "ls", "--json")
        if done.code:
            raise engine.EngineError(
                f"the stacks cannot be listed: {done.text.strip()}",
                fix="run `pulumi whoami` and see the backend",
            )
        stacks = json.loads(done.text or "[]")
        return {
            str(one["name"]): int(one.get("resourceCount") or 0)
            for one in stacks
            if is_review(str(one["name"]))
        }

    def _pulumi(self, *arguments: str, given: str = "") -> Done:
        try:
            done = subprocess.run(
                [engine.executable(self.root), *arguments, "--non-interactive"],
                cwd=self.root,
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise LocalCloudError(
                f"pulumi does not start: {error.strerror}", fix="run `make setup`"
            ) from None
        return Done(done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr)


def secrets_in(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a setting is encrypted: the key, then the way into its value."""
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            yield at
            return
        for key, item in value.items():
            yield from secrets_in(item, (*at, str(key)))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from secrets_in(item, (*at, index))


def settings_of(
    base: Mapping[str, Any],
    now: Mapping[str, Any],
    lease: Lease,
    overrides: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The review stack's settings: the base's without its secrets, which only its own key opens, and `overrides` of
    endpoints over the base's own. `now` is what the stack has: the salt of its own key."""
    config: dict[str, Any] = _without_secrets(base.get("config") or {})
    endpoints = config.get("pilotlight:endpoints") or {}
    config["pilotlight:endpoints"] = {
        **endpoints,
        **{name: _over(endpoints.get(name), over) for name, over in overrides.items()},
    }
    config[KEY] = lease.line()
    kept = {key: value for key, value in now.items() if key != "config"}
    return {**kept, "config": config}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: item for key, item in value.items() if not _is_secret(item)}
        return {key: _without_secrets(item) for key, item in kept.items()}
    if isinstance(value, list):  # places in a list must stay
        return ["" if _is_secret(item) else _without_secrets(item) for item in value]
    return value


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _path(path: tuple[str | int, ...]) -> str:
    """As `pulumi config set --path` takes it."""
    return str(path[0]) + "".join(f"[{json.dumps(step, ensure_ascii=False)}]" for step in path[1:])


def _over(under: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under) if isinstance(under, Mapping) else {}
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = {**below, **value} if both and isinstance(below, Mapping) else value
    return merged
