"""The program's own gate: what a stack declares is summed as it is declared, and the program stops where the budget is crossed.

The same budget is a rule of the pack and of `pilotlight check`, which see the stack as a whole; this one names the resource that is
too much, before anything of it is registered.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pulumi

from infra.kit.local import seek_root
from infra.spec.errors import PilotlightError

_RULE = "stack-budget"


class OverBudget(PilotlightError):
    """The stack would cost more than it may."""


def count(name: str, plan: Mapping[str, Any]) -> None:
    """Add what `name` costs a month at the dear end of its plan. Raises `OverBudget`, and what wrong settings raise."""
    limit, before = _running()
    if limit is None:
        return
    cost = _dear_end(name, plan)
    total = sum((other for _, other in before), cost)
    if total <= limit:
        before.append((name, cost))
        return
    others = ", ".join(f"{other} ${amount:,.2f}" for other, amount in before) or "nothing else"
    raise OverBudget(
        f"{name!r} costs up to ${cost:,.2f} a month, and with what is declared before it ({others}) the stack costs "
        f"${total:,.2f}, over its budget of ${limit:,.2f}",
        fix="lower workers.max or idle_timeout_s of the dearest, or raise stack-budget in policies/settings.yaml",
    )


def _limit() -> Decimal | None:
    root = seek_root()
    file = None if root is None else root / "policies/settings.yaml"
    if file is None or not file.is_file() or _RULE not in file.read_text(encoding="utf-8"):
        return None  # the rules need not be loaded for a limit that nobody has set
    from policies.rules import Level
    from policies.settings import load

    stack = pulumi.get_stack()
    settings = load(root, stack)
    rule: Any = settings.rules[_RULE]
    if rule.severity is not Level.ERROR or any(one.covers(_RULE, None) for one in settings.exceptions):
        return None  # then it is for the gates that judge the whole stack to say it
    limit: Decimal | None = rule.max_usd_per_month
    return limit


def _dear_end(name: str, plan: Mapping[str, Any]) -> Decimal:
    cost = plan.get("usdPerMonth")
    if cost is None:
        raise OverBudget(
            f"{name!r} has no known price ({plan.get('missing', 'not in the price book')}), and the stack has a budget",
            fix="add the price with its source and date, or choose what has one",
        )
    return Decimal(cost.get("high") or cost["ceiling"])


def _running() -> tuple[Decimal | None, list[tuple[str, Decimal]]]:
    """The limit, and what was counted before. Settled once for each program, and kept with its stack: another program in the
    process begins anew."""
    root: Any = pulumi.runtime.get_root_resource()
    if "_pilotlight_costs" not in root.__dict__:
        root.__dict__["_pilotlight_costs"] = (_limit(), [])
    running: tuple[Decimal | None, list[tuple[str, Decimal]]] = root.__dict__["_pilotlight_costs"]
    return running
