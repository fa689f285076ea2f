"""Takes credentials and this machine's paths out of everything that a report says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_SHORTEST = 6
_SHAPES = (
    r"\b(?:rpa_|rps_|sk-|hf_|ghp_|gho_|ghs_|ghu_|github_pat_|glpat-|xox[abp]-|AKIA|ASIA|ak-|as-|pul-)[A-Za-z0-9_\-]{12,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
    r"|(?i:(?<=bearer )[A-Za-z0-9._~+/\-]{8,}=*)"
)
_ASSIGNED = re.compile(
    r"(?i)\b(\w*(?:token|secret|passw(?:or)?d|passphrase|api_?key|access_?key|private_?key)\w*[\"']?\s*[=:]\s*[\"']?)([^\s\"',;)}]{6,})"
)
_NAMED = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_KEY$", re.IGNORECASE
)
_HARMLESS = re.compile(r"_(?:FILE|PATH|URL|DIR)$", re.IGNORECASE)
_DENSE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[^\s/]{16,}")
_PLACES = "home|root|Users|tmp|var|opt|usr|private|mnt|srv|builds|workspace|__w|github|runner|work|data|app|etc|run|nix"
_PATH = re.compile(
    rf"(?<![\w:/.@\-])(?:file://)?(?:/(?:{_PLACES})|[A-Za-z]:\\(?:[^\s\\\"']+\\)*)(?:/[^\s/:,;\"'()<>|`]+)*/?([^\s/:,;\"'()<>|`\\]*)"
)


class Redactor:
    """`secrets`: values that must never be shown, whatever they look like. `root`: the project, whose files keep their
    names relative to it, and so do those of `others`."""

    def __init__(
        self, secrets: Iterable[str] = (), root: Path | None = None, others: Iterable[Path] = ()
    ) -> None:
        known = sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._secrets = re.compile("|".join([*map(re.escape, known), _SHAPES]), re.DOTALL)
        roots = [*others, *([root] if root is not None else [])]
        self._roots = re.compile("|".join(map(re.escape, _forms(roots))) or r"(?!)")

        self._known: dict[str, str] = {}

    def text(self, said: str) -> str:
        if said not in self._known:
            self._known[said] = self._text(said)
        return self._known[said]

    def _text(self, said: str) -> str:
        said = self._secrets.sub("[secret]", said)
        said = _ASSIGNED.sub(r"\1[secret]", said)
        if "/" not in said and "\\" not in said:
            return said
        return _PATH.sub(_last, self._roots.sub(".", said))

    def all(self, value: T) -> T:
        """The same data with every text in it redacted, at any depth."""
        found: Any = self._any(value)
        typed: T = found
        return typed

    def _any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            return tuple(map(self._any, value))
        if isinstance(value, Mapping):
            return {self._any(key): self._any(item) for key, item in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            changed = {
                item.name: new
                for item in fields(value)
                if (new := self._any(old := getattr(value, item.name))) is not old and new != old
            }
            return replace(value, **changed) if changed else value
        return value


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Values of variables that by their names are credentials."""
    return [
        value for name, value in environment.items() if _NAMED.search(name) and not _HARMLESS.search(name)
    ]


def secrets_in(tree: Any, guarded: bool = False) -> Iterable[str]:
    """Texts in a resource's inputs that are named for a credential, or stand in an environment and are no plain words."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if isinstance(value, str):
                if _NAMED.search(str(key)) or (guarded and _DENSE.fullmatch(value)):
                    yield value
            else:
                yield from secrets_in(value, guarded or key in ("env", "headers"))
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from secrets_in(value, guarded)


def _last(found: re.Match[str]) -> str:
    name = found.group(1) or found.group(0).rstrip("/").rpartition("/")[2]
    return f"…/{name}"


def _forms(roots: Iterable[Path]) -> list[str]:
    return sorted({text for one in roots for text in (str(one), str(one.resolve()))}, key=len, reverse=True)
