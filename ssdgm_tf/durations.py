"""Times as people write them, such as 3h or 1h30m. Imports no TensorFlow."""

import re

_UNITS = {"h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"(?=.)" + "".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in _UNITS))


def parse(text: str) -> float:
    """Seconds, of a text such as "3h", "90m", "1h30m" or "45s".

    Args:
        text: numbers with units, the longest first.

    Raises:
        ValueError: another form, or no time at all.
    """
    found = _FORM.fullmatch(text.strip())
    seconds = sum(float(found[unit] or 0) * size for unit, size in _UNITS.items()) if found else 0.0
    if not seconds:
        raise ValueError(f"A time must be written as 3h, 90m, 1h30m or 45s, and be more than 0. Received: {text!r}")
    return seconds


def in_words(seconds: float) -> str:
    """The text of a number of seconds, to the second: 5400 is "1h30m".

    Args:
        seconds: at least 0.
    """
    parts, left = [], round(seconds)
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
