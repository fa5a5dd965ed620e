"""Budgets that widths are searched for, and their names."""

BUDGETS = [0.75, 0.5, 0.375, 0.25]


def percent(budget: float) -> str:
    """37_5 for 0.375: as in the names of the file's keys."""
    return f"{budget * 100:g}".replace(".", "_")
