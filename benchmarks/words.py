"""Numbers as the page shows them."""

from collections.abc import Sequence


def spread(values: Sequence[float]) -> str:
    """Median and range.

    Examples
    --------
    >>> spread([2.345, 1.96, 12.04])
    '2.3 (2.0-12)'
    """
    median, least, most = map(number, values)
    return f"{median} ({least}-{most})"


def number(value: float) -> str:
    """Two digits, but none of a whole number is left out.

    Examples
    --------
    >>> [number(x) for x in (0.06789, 0.3, 1.234, 9.96, 12.34, 1234.5)]
    ['0.068', '0.30', '1.2', '10', '12', '1,234']
    """
    if value == 0 or abs(value) >= 9.95:
        return f"{value:,.0f}"
    return f"{value:#.2g}" if abs(value) >= 1e-4 else f"{value:.1e}"
