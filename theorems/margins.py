"""Floating-point margins of violation for many cases at once, which a search climbs: positive where a case looks like a counterexample. Never evidence.

A margin is the least of cheap terms and of signs wanted of lambda, for the case itself and for its companions; lambda is simulated only where cheap bounds
(E4, E5, E11) leave the violation possible, and its error bars are held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from verify.search.batch import Batch

    Floats = NDArray[np.float64]

ERRORS = 3.0


@dataclass(frozen=True)
class Wanted:
    """A sign wanted of lambda (-1 or 1), of a batch made from the cases (default: themselves), under a scheme of sampling (batch, replacement)."""

    sign: int
    made: Callable[[Batch], Batch] | None = None
    scheme: dict[str, Any] = field(default_factory=dict)

    def possible(self, batch: Batch) -> Floats:
        """An upper bound on the margin, cheap."""
        low, high = self._made(batch).bounds(**self.scheme)
        return -low if self.sign < 0 else high

    def margin(self, batch: Batch) -> Floats:
        """The signed exponent less its error bars."""
        value, error = self._made(batch).lyapunov(**self.scheme)
        return self.sign * value - ERRORS * error

    def _made(self, batch: Batch) -> Batch:
        return self.made(batch) if self.made is not None else batch


NEGATIVE, POSITIVE = Wanted(-1), Wanted(1)


@dataclass(frozen=True)
class Margin:
    """The least of `cheap`, of all `every`, and of the best of `some` (if any). `batch` is the batch size of the problems that are built."""

    every: tuple[Wanted, ...] = ()
    some: tuple[Wanted, ...] = ()
    cheap: Callable[[Batch], Floats] | None = None
    batch: int = 1
    least_points: int = 2

    def __call__(self, batch: Batch) -> Floats:
        import numpy as np

        with np.errstate(all="ignore"):
            best = np.full(batch.size, np.inf)
            if self.cheap is not None:
                best = np.minimum(best, self.cheap(batch))
            for wanted in self.every:
                best = self._where_open(best, batch, wanted.possible)
            if self.some:
                best = self._where_open(best, batch, lambda part: _best(self.some, part, "possible"))
            best = np.minimum(best, 1e3)
            for wanted in self.every:
                best = self._where_open(best, batch, wanted.margin)
            if self.some:
                best = self._where_open(best, batch, lambda part: _best(self.some, part, "margin"))
            return np.where(np.isnan(best), -np.inf, best)

    @staticmethod
    def _where_open(best: Floats, batch: Batch, score: Callable[[Batch], Floats]) -> Floats:
        import numpy as np

        rows = np.flatnonzero(best > 0)
        if len(rows):
            best = best.copy()
            best[rows] = np.minimum(best[rows], score(batch.rows(rows)))
        return best


def _best(some: Sequence[Wanted], batch: Batch, what: str) -> Floats:
    import numpy as np

    found: Floats = np.max([getattr(wanted, what)(batch) for wanted in some], axis=0)
    return found


def at_step(factor: float) -> Callable[[Batch], Batch]:
    """The same minima at another step size."""

    def made(batch: Batch) -> Batch:
        from verify.search.batch import Batch

        return Batch(batch.grams, batch.steps * factor, batch.length)

    return made


def with_grams(change: Callable[[Floats], Floats]) -> Callable[[Batch], Batch]:
    """Other Gram matrices, made from (P, N, N), under the same step sizes."""

    def made(batch: Batch) -> Batch:
        from verify.search.batch import Batch

        return Batch(change(batch.grams[:, 0])[:, None], batch.steps, batch.length)

    return made
