"""Odds and counts of an audit, as text that claims no more than was found."""

_MOST_ODDS = 1000.0


def odds_text(odds: float) -> str:
    """Give how many times as likely another class is; of very large odds that they are: a ridge does not know them exactly."""
    return f"over {_MOST_ODDS:,.0f}" if odds > _MOST_ODDS else f"{odds:,.0f}"
