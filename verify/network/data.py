"""Small data sets: scikit-learn's digits and diabetes (shipped with it, nothing is fetched), and synthetic regression."""

from __future__ import annotations

import numpy as np

from ..exact import InputError
from .model import Floats

DATA = ("digits", "diabetes", "synthetic")


def data_set(name: str, size: int, seed: int = 0) -> tuple[Floats, Floats]:
    """N = `size` random samples: inputs (N, ...) and targets (N, 1). Digits are 3s against 8s as 8 x 8 images in [0, 1] with targets +-1."""
    if name not in DATA:
        raise InputError(f"data = {name!r} is not known; write one of {', '.join(DATA)}")
    rng = np.random.default_rng([seed, DATA.index(name)])
    inputs, targets = {"digits": _digits, "diabetes": _diabetes, "synthetic": _synthetic}[name]()
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= len(inputs):
        raise InputError(f"size = {size!r} is not an integer from 1 to {len(inputs)}, the number of samples of {name}")
    chosen = rng.choice(len(inputs), size, replace=False)
    return np.ascontiguousarray(inputs[chosen]), targets[chosen][:, None]


def _digits() -> tuple[Floats, Floats]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    own = np.isin(bunch.target, (3, 8))
    return bunch.images[own] / 16.0, np.where(bunch.target[own] == 3, 1.0, -1.0)


def _diabetes() -> tuple[Floats, Floats]:
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    return bunch.data / bunch.data.std(0), (bunch.target - bunch.target.mean()) / bunch.target.std()


def _synthetic() -> tuple[Floats, Floats]:
    """1000 Gaussian inputs in R^8 and a smooth function of three directions."""
    x = np.random.default_rng(7).standard_normal((1000, 8))
    return x, np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2]
