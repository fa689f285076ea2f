"""How rules say amounts."""

from decimal import Decimal


def usd(amount: Decimal) -> str:
    """Cents where they matter."""
    return f"${amount:,.2f}" if amount < 100 or amount != amount.to_integral() else f"${amount:,.0f}"


def seconds(value: float) -> str:
    return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"
