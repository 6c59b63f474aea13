"""Rank correlations between an outcome and measures of a minimum, over a table of runs, within groups of runs that may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exact import InputError
from .model import Floats

MEASURES = ("lambda", "eta_star", "eta_ms", "kappa_max", "trace", "frobenius", "batch_sharpness")


@dataclass(frozen=True)
class Correlation:
    """Kendall's tau-b of a measure with the outcome: its bootstrap interval, the permutation p-value, and that adjusted for the number of measures (Holm).

    `lead` is the bootstrap interval of |tau of the first measure| - |tau|: above zero where the first measure ranks the outcome better. tau is 0 and p = 1
    where the ranks do not differ within any group.
    """

    measure: str
    tau: float
    interval: tuple[float, float]
    p_value: float
    adjusted: float
    lead: tuple[float, float]
    runs: int

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.measure}: tau = {self.tau:+.2f} in [{low:+.2f}, {high:+.2f}], p = {self.adjusted:.2g} (adjusted), {self.runs} runs"


def rank_correlations(
    rows: Sequence[Mapping[str, Any]],
    outcome: str = "test_loss",
    measures: Sequence[str] = MEASURES,
    *,
    within: Sequence[str] = ("architecture", "options", "data", "size", "data_seed", "optimiser", "batch", "step_size"),
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Correlation]:
    """Kendall's tau-b from the pairs of runs that agree in all columns `within` (none: scipy.stats.kendalltau), for the rows where all numbers are finite.

    The interval is that of a bootstrap of runs within groups, the p-value that of permutations of the outcome within groups: both are about these data sets and
    settings and the random starts and samples. Raises `InputError` where no two runs can be compared.
    """
    chosen = [row for row in rows if all(row[name] is not None and np.isfinite(row[name]) for name in (outcome, *measures))]
    keys = [tuple(str(row.get(name)) for name in within) for row in chosen]
    groups = [np.array([i for i, key in enumerate(keys) if key == own]) for own in sorted(set(keys))]
    if not any(len(group) > 1 for group in groups):
        raise InputError(f"no two of the {len(chosen)} rows with finite numbers agree in {', '.join(within) or 'nothing'}; give more starts, or fewer columns")
    same = np.zeros((len(chosen), len(chosen)))
    for group in groups:
        same[np.ix_(group, group)] = 1
    y = _order(np.array([row[outcome] for row in chosen], dtype=float)) * same
    xs = [_order(np.array([row[name] for row in chosen], dtype=float)) * same for name in measures]
    taus = np.array([_tau(x, y) for x in xs])
    rng = np.random.default_rng(seed)
    shuffled, resampled = np.empty((resamples, len(xs))), np.empty((resamples, len(xs)))
    for k in range(resamples):
        order, pick = np.arange(len(chosen)), np.arange(len(chosen))
        for group in groups:
            order[group] = rng.permutation(group)
            pick[group] = rng.choice(group, len(group))
        permuted, own = y[np.ix_(order, order)], y[np.ix_(pick, pick)]
        shuffled[k] = [_tau(x, permuted) for x in xs]
        resampled[k] = [_tau(x[np.ix_(pick, pick)], own) for x in xs]
    p = (1 + (np.abs(shuffled) >= np.abs(taus) - 1e-12).sum(0)) / (1 + resamples)
    tail = [50 * (1 - confidence), 50 * (1 + confidence)]
    ends = np.percentile(resampled, tail, axis=0)
    lead = np.percentile(np.abs(resampled[:, :1]) - np.abs(resampled), tail, axis=0)
    columns = (taus, ends.T, p, holm(p), lead.T)
    return [Correlation(name, float(t), (low, high), float(one), float(q), (a, b), len(chosen))
            for name, t, (low, high), one, q, (a, b) in zip(measures, *(c.tolist() for c in columns), strict=True)]


def holm(p: Floats) -> Floats:
    """p-values adjusted for their number, S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979."""
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _order(x: Floats) -> Floats:
    """sign(x_i - x_j)."""
    return np.sign(x[:, None] - x)


def _tau(x: Floats, y: Floats) -> float:
    """Kendall's tau-b from two matrices of signs."""
    size = np.sqrt(np.abs(x).sum() * np.abs(y).sum())
    return float((x * y).sum() / size) if size else 0.0
