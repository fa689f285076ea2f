"""A provider's own configuration: CheckConfig, DiffConfig and Configure.

The instance id is made in CheckConfig and kept in the provider's inputs, which the engine stores. What comes from
the environment is resolved in Configure only, so it never reaches the state.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from infra.kit.check import validate
from infra.kit.diff import Difference, diff
from infra.kit.mark import INSTANCE, new_instance
from infra.kit.model import Model, Spec, specs
from infra.kit.problems import NOT_SET
from infra.kit.resource import Failure
from infra.kit.wire import Tree, plain, schema_secret_paths, secret_paths, to_wire, wrap

_ENGINES_OWN = {"version", "pluginDownloadURL", "pluginChecksums", "envVarMappings", "parameterization"}


def check_config(
    model: type[Model], news: Tree, olds: Tree, make_instance: Callable[[], str] = new_instance
) -> tuple[Tree, list[Failure]]:
    """The configuration to store: validated, its secrets wrapped, with the instance id of before or a new one."""
    mine, engines = _split(news)
    tree = _parse(model, plain(mine))
    secrets = [*secret_paths(mine), *schema_secret_paths(model, tree)]
    checked, failures = validate(model, tree, secrets)
    failures = [failure for failure in failures if not _from_env(model, failure)]
    if failures or checked is None:
        return {}, failures
    stored = {key: value for key, value in to_wire(checked).items() if key in tree}
    stored = wrap(stored, secrets)
    stored[INSTANCE] = plain(olds.get(INSTANCE)) or make_instance()
    return {**engines, **stored}, []


def diff_config(model: type[Model], olds: Tree, news: Tree) -> list[Difference]:
    old, new = _parse(model, plain(_split(olds)[0])), _parse(model, plain(_split(news)[0]))
    return diff(model, old, new)


def configure(
    model: type[Model], args: Tree, environ: Mapping[str, str] = os.environ
) -> tuple[Model | None, list[Failure], str]:
    """The configuration with the environment behind it, or why there is none; and the instance id."""
    mine, _ = _split(args)
    tree = plain(mine)
    for spec in specs(model):
        if spec.meta.env and spec.wire not in tree and environ.get(spec.meta.env):
            tree[spec.wire] = environ[spec.meta.env]
    tree = _parse(model, tree)
    checked, failures = validate(model, tree, list(schema_secret_paths(model, tree)))
    instance = str(plain(args.get(INSTANCE)) or new_instance())
    return (None if failures else checked), [_name_env(model, failure) for failure in failures], instance


def _split(tree: Tree) -> tuple[Tree, Tree]:
    """What is ours, and what the engine keeps beside it."""
    engines = {key: value for key, value in tree.items() if key in _ENGINES_OWN}
    mine = {key: value for key, value in tree.items() if key not in _ENGINES_OWN and not key.startswith("__")}
    return mine, engines


def _parse(model: type[Model], tree: Tree) -> Tree:
    """Configuration travels as text: whatever is not a string field comes as JSON."""
    parsed = dict(tree)
    for spec in specs(model):
        value = tree.get(spec.wire)
        if isinstance(value, str) and not _is_text(spec):
            try:
                parsed[spec.wire] = json.loads(value)
            except ValueError:
                continue
    return parsed


def _is_text(spec: Spec) -> bool:
    return spec.shape.kind == "leaf" and spec.shape.leaf not in (int, float, bool, Any)


def _from_env(model: type[Model], failure: Failure) -> bool:
    """A required field with a variable behind it may be unset: Configure looks there."""
    env = {spec.wire for spec in specs(model) if spec.meta.env}
    return failure.path in env and failure.reason.startswith(NOT_SET)


def _name_env(model: type[Model], failure: Failure) -> Failure:
    env = {spec.wire: spec.meta.env for spec in specs(model)}.get(failure.path)
    if not env or not failure.reason.startswith(NOT_SET):
        return failure
    return Failure(failure.path, f"{failure.reason} in the configuration, or the environment variable {env}")
