"""Small data sets: scikit-learn's digits and diabetes (shipped with it, nothing is fetched), and synthetic regression."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from ..exact import InputError
from .model import Floats


def data_set(name: str, size: int, seed: int = 0) -> tuple[Floats, Floats]:
    """N = `size` random samples: inputs (N, ...) and targets (N, q).

    "digits" are 3s against 8s as 8 x 8 images in [0, 1] with targets +-1, "digits-ten" all ten classes, one-hot (q = 10); "diabetes" and "synthetic" are
    regressions from R^10 and R^8 with q = 1.
    """
    return split(name, size, 0, seed)[0]


def split(name: str, size: int, held_out: int, seed: int = 0) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The samples of `data_set`, and `held_out` further ones; no sample is in both."""
    if not isinstance(name, str) or name not in DATA:
        raise InputError(f"data = {name!r} is not known; write one of {', '.join(DATA)}")
    inputs, targets = _SOURCES[name]()
    for what, value, low, high in (("size", size, 1, len(inputs)), ("held_out", held_out, 0, len(inputs) - size if isinstance(size, int) else 0)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{what} = {value!r} is not an integer from {low} to {high}; {name} has {len(inputs)} samples")
    rng = np.random.default_rng([seed, DATA.index(name)])
    chosen = rng.choice(len(inputs), size, replace=False)
    others = rng.permutation(np.setdiff1d(np.arange(len(inputs)), chosen))[:held_out]
    return (inputs[chosen], targets[chosen]), (inputs[others], targets[others])


def digit(number: int = 7) -> Floats:
    """One 8 x 8 image in [0, 1] of the digits of scikit-learn, whose first ten are 0, 1, ..., 9."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images[number] / 16.0)


@cache
def _digits() -> tuple[Floats, Floats]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    own = np.isin(bunch.target, (3, 8))
    return bunch.images[own] / 16.0, np.where(bunch.target[own] == 3, 1.0, -1.0)[:, None]


@cache
def _digits_ten() -> tuple[Floats, Floats]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images / 16.0, np.eye(10)[bunch.target]


@cache
def _diabetes() -> tuple[Floats, Floats]:
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    return bunch.data / bunch.data.std(0), ((bunch.target - bunch.target.mean()) / bunch.target.std())[:, None]


@cache
def _synthetic() -> tuple[Floats, Floats]:
    """1000 Gaussian inputs in R^8 and a smooth function of three directions."""
    x = np.random.default_rng(7).standard_normal((1000, 8))
    return x, (np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2])[:, None]


_SOURCES: dict[str, Callable[[], tuple[Floats, Floats]]] = {
    "digits": _digits,
    "diabetes": _diabetes,
    "synthetic": _synthetic,
    "digits-ten": _digits_ten,
}
DATA = tuple(_SOURCES)
