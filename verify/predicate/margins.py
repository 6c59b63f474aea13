"""Margins of a predicate in floating point, for many problems at once: what a search climbs. Nothing here is proved.

A margin is positive where the predicate seems to hold: left minus right of a comparison, the minimum over `and`, the maximum over `or`. lambda is a Monte Carlo
estimate, so that a margin is the worst over the estimate and its error bars. It is computed only where cheap bounds on lambda leave the predicate possible.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..search.batch import Batch
from .syntax import EIGENVALUES, Comparison, Formula, Name, Number, Power, Term, names

Floats = NDArray[np.float64]
ROUNDING = 1e-9
ERRORS = 3.0
# The margin of what the error bars do not exclude: positive, but next to nothing.
POSSIBLE = 1e-12


def margins(tree: Formula, batch: Batch) -> Floats:
    """Worst margin over lambda +- 3 standard errors (`POSSIBLE` where they leave it open); not positive where cheap bounds rule it out."""
    with np.errstate(all="ignore"):
        if all(name.kind != "lambda" for name in names(tree)):
            return _formula(tree, batch, np.zeros(batch.size))
        low, high = batch.bounds()
        best = np.full(batch.size, -np.inf)
        for value in (*(low + (high - low) * share for share in np.linspace(0, 1, 9)), np.clip(0.0, low, high), low, high):
            best = np.fmax(best, _formula(tree, batch, value))
        open_ = best > 0
        result = np.where(np.isnan(best), -np.inf, best)
        result[~open_] = np.minimum(result[~open_], -ROUNDING)
        if open_.any():
            rows = np.flatnonzero(open_)
            part = batch.rows(rows)
            value, error = part.lyapunov()
            samples = [_formula(tree, part, value + shift * error) for shift in (-ERRORS, 0.0, ERRORS)]
            samples.append(_formula(tree, part, np.where(np.abs(value) <= ERRORS * error, 0.0, value)))
            worst, best = np.minimum.reduce(samples), np.maximum.reduce(samples)
            result[rows] = np.where((worst <= 0) & (best > 0), POSSIBLE, worst)
        return result


def _formula(tree: Formula, batch: Batch, lambda_: Floats) -> Floats:
    if not isinstance(tree, Comparison):
        parts = [_formula(x, batch, lambda_) for x in tree.operands]
        if tree.operator == "not":
            return -parts[0]
        return np.asarray(np.minimum.reduce(parts) if tree.operator == "and" else np.maximum.reduce(parts))
    difference = _term(tree.left, batch, lambda_) - _term(tree.right, batch, lambda_)
    if tree.operator in ("==", "!="):
        return ROUNDING - np.abs(difference) if tree.operator == "==" else np.abs(difference) - ROUNDING
    gap = -difference if tree.operator.startswith("<") else difference
    return gap + ROUNDING if tree.operator.endswith("=") else gap - ROUNDING


def _term(term: Term, batch: Batch, lambda_: Floats) -> Floats:
    if isinstance(term, Number):
        return np.full(batch.size, float(term.value))
    if isinstance(term, Name):
        return lambda_ if term.kind == "lambda" else _name(term, batch)
    if isinstance(term, Power):
        return np.asarray(_term(term.base, batch, lambda_) ** float(term.exponent))
    parts = [_term(x, batch, lambda_) for x in term.operands]
    if term.operator == "abs":
        return np.abs(parts[0])
    if term.operator == "neg":
        return -parts[0]
    left, right = parts
    if term.operator == "+":
        return left + right
    if term.operator == "-":
        return left - right
    return left * right if term.operator == "*" else left / right


def _name(name: Name, batch: Batch) -> Floats:
    if name.kind == "eta":
        return np.asarray(batch.steps[:, 0])
    if name.kind in EIGENVALUES:
        return np.asarray(batch.kappa()[:, 0 if name.kind == "kappa_min" else -1])
    if name.kind == "mu":
        return batch.mu()
    if name.kind == "ms":
        return batch.mean_square()
    if name.kind == "c":
        return np.asarray(batch.c()[:, name.indices[0]])
    return np.asarray(batch.grams[:, 0, name.indices[0], name.indices[1]])
