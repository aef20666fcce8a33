"""Sizes for people: the one way in which pages and the admin write a number of bytes. Pure rules."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024  # as limits are set: 200 MiB is 200 * 1024**2 bytes


def size(count: int) -> str:
    """A number of bytes, in a fitting unit: `999 B`, `1.5 KiB`, `200 MiB`."""
    value, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if round(value, 1) < _STEP:
            break
        value, unit = value / _STEP, larger
    return f"{count} B" if unit == _UNITS[0] else f"{value:.1f}".removesuffix(".0") + f" {unit}"
