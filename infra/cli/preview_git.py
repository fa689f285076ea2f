"""What a preview asks git: which commit, what changed since the base, and the base's files."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.spec.errors import PilotlightError


class GitError(PilotlightError):
    """git said no; its own words are in `what`."""


def head(root: Path) -> str:
    """The commit that is checked out, in hex; "" outside of a repository."""
    try:
        return _git(root, "rev-parse", "HEAD").strip()
    except GitError:
        return ""


def base_of(root: Path, ref: str) -> str:
    """The commit that head has left `ref` at; `ref` itself where their histories do not meet, as in a shallow clone."""
    commit = _git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").strip()
    try:
        return _git(root, "merge-base", commit, "HEAD").strip()
    except GitError:
        return commit


def changed(root: Path, commit: str) -> list[str]:
    """Files that differ from `commit`, what is not committed included, relative to the project; renames under both names."""
    named = _git(root, "diff", "--name-only", "--no-renames", "-z", "--relative", commit, "--", ".")
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    return sorted({name for name in (named + new).split("\0") if name})


@contextmanager
def worktree(root: Path, commit: str) -> Iterator[Path]:
    """The project as it was at `commit`, in a directory of its own that is gone afterwards."""
    below = _git(root, "rev-parse", "--show-prefix").strip()
    with tempfile.TemporaryDirectory(prefix="pilotlight-base-") as scratch:
        place = Path(scratch) / "tree"
        _git(root, "worktree", "add", "--detach", "--force", str(place), commit)
        try:
            yield place / below
        finally:
            subprocess.run(
                ["git", "worktree", "remove", "--force", str(place)],
                cwd=root,
                capture_output=True,
                check=False,
            )


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise GitError(f"git cannot be run: {error}", fix="install git, or leave --base out") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise GitError(f"`git {arguments[0]}` failed: {said}", fix="fetch the base: `git fetch origin`")
    return done.stdout
