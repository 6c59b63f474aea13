"""Arguments of the network layer that are numbers: what is out of range is told by name and value."""

from __future__ import annotations

from typing import Any

from ..exact import InputError


def integer(name: str, value: Any, least: int = 0, most: int = 10_000_000) -> int:
    """`value`, an integer from `least` to `most`. Raises `InputError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} = {value!r:.60} is not an integer from {least} to {most}")
    return value


def number(name: str, value: Any, low: float, high: float) -> float:
    """`value`, a number with low < value < high. Raises `InputError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
        raise InputError(f"{name} = {value!r:.60} is not a number between {low:g} and {high:g}")
    return value


def seeded(seed: Any) -> int:
    """A seed. Raises `InputError`."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed = {seed!r:.60} is not a nonnegative integer")
    return seed
