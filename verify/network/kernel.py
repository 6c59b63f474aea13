"""What a measured K says by itself: spectrum, rank, graph, each as far as the accuracy of K allows. Floating point throughout: nothing here is proved.

K is known to `accuracy`: |dK_ij| <= accuracy sqrt(K_ii K_jj), an estimate. By Weyl's inequality no eigenvalue moves by more than
margin = N q (accuracy max K_ii + 2^-52 kappa_max), the second part being the eigenvalue solver's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from ..exact import InputError
from ..minimum import MeasuredMinimum
from .model import Floats

ROUNDING = 2.0**-53
SAFETY = 10  # an eigenvalue or entry counts as nonzero from this many margins on
GAP = 1e4  # K counts as singular where no eigenvalue is between one margin and this many


class Status(Enum):
    """What is known of a hypothesis. `NUMERICALLY`, `SINGULAR`: up to the accuracy of floating-point numbers; `KINKS`: inside a radius around w*."""

    HOLDS = "holds"
    NUMERICALLY = "holds numerically"
    FAILS = "fails"
    SINGULAR = "fails up to rounding"
    ASSUMED = "is assumed"
    KINKS = "holds within the kink radius"
    UNDECIDED = "not decided"


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis on this case: its name, its status and why."""

    name: str
    status: Status
    reason: str

    @property
    def stands(self) -> bool:
        """Whether a theorem that needs it may be quoted (with this hypothesis named)."""
        return self.status not in (Status.FAILS, Status.SINGULAR, Status.UNDECIDED)

    def to_json(self) -> dict[str, str]:
        """Keys: name, status, reason."""
        return {"name": self.name, "status": self.status.value, "reason": self.reason}

    def __str__(self) -> str:
        return f"{self.name}: {self.status.value} ({self.reason})"


@dataclass(frozen=True)
class Kernel:
    """K (N q, N q), sample i owning the rows i q .. i q + q - 1, in the theory's convention; D = `parameters`; `accuracy` as in the module."""

    gram: Floats
    outputs: int
    parameters: int
    accuracy: float

    @classmethod
    def of(cls, gram: Any, outputs: int, parameters: int, accuracy: float | None = None) -> Kernel:
        """Raises `InputError` for what is no Gram matrix. The default accuracy, D 2^-53, is that of dot products of length D; it leaves out errors of J."""
        k = MeasuredMinimum.from_gram(gram, outputs).gram
        if isinstance(parameters, bool) or not isinstance(parameters, int) or parameters < 1:
            raise InputError(f"parameters = {parameters!r} is not a positive integer; give D, the number of parameters of the model")
        if parameters < len(k):
            raise InputError(f"D = {parameters} parameters for N q = {len(k)} outputs: K is singular and H2 fails; use fewer samples or a wider model")
        error = parameters * ROUNDING if accuracy is None else float(accuracy)
        if not 0 <= error < 1:
            raise InputError(f"accuracy = {accuracy!r} is not in [0, 1); it is the relative error of K, near 1e-15 where it was computed in double precision")
        return cls(k, outputs, parameters, max(error, 2 * ROUNDING))

    @property
    def size(self) -> int:
        """N."""
        return len(self.gram) // self.outputs

    @cached_property
    def diagonal(self) -> Floats:
        """K_ii = |g_i|^2, (N q,)."""
        return np.diag(self.gram).copy()

    @property
    def radius(self) -> float:
        """The largest error of an entry of K (an estimate), accuracy * max K_ii."""
        return self.accuracy * float(self.diagonal.max())

    @cached_property
    def eigenvalues(self) -> Floats:
        """kappa, ascending."""
        return np.asarray(np.linalg.eigvalsh(self.gram), dtype=float)

    @cached_property
    def own(self) -> Floats:
        """The eigenvalues of the diagonal blocks, (N, q): K_ii itself for one output. One step of batch 1 on sample i has the eigenvalues 1 - eta own[i]."""
        n, q = self.size, self.outputs
        return np.asarray(np.linalg.eigvalsh(self.gram.reshape(n, q, n, q)[np.arange(n), :, np.arange(n), :]), dtype=float)

    @property
    def margin(self) -> float:
        """By how much an eigenvalue may be wrong."""
        return len(self.gram) * (self.radius + 2 * ROUNDING * float(self.eigenvalues[-1]))

    @property
    def rank(self) -> int:
        """The number of eigenvalues that are surely not zero: a lower bound of rank K."""
        return int((self.eigenvalues > SAFETY * self.margin).sum())

    @property
    def condition(self) -> float:
        """kappa_max / kappa_min, infinite where kappa_min is zero up to its margin."""
        smallest = float(self.eigenvalues[0])
        return float(self.eigenvalues[-1]) / smallest if smallest > self.margin else float("inf")

    @property
    def silent(self) -> list[int]:
        """Samples of which an output has no gradient at all."""
        return sorted({int(a) // self.outputs for a in np.flatnonzero(self.diagonal == 0)})

    def independence(self) -> Hypothesis:
        """H2 at this minimum: K is positive definite."""
        kappa, margin, rows = self.eigenvalues, self.margin, len(self.gram)
        if self.rank == rows:
            why = f"kappa_min = {kappa[0]:.3g}, {kappa[0] / margin:.1g} times its error; at the other minima it is assumed"
            return Hypothesis("H2", Status.NUMERICALLY, why)
        if self.silent:
            return Hypothesis("H2", Status.FAILS, f"the gradient of sample {_listed(self.silent)} is zero: K is singular")
        if not ((kappa > margin) & (kappa < GAP * margin)).any():
            below, above = kappa[rows - self.rank - 1], kappa[rows - self.rank] if self.rank else 0.0
            why = f"K has rank {self.rank} of {rows}, or nearly so: eigenvalues {below:.2g}, {above:.3g}, ... (error {margin:.2g})"
            return Hypothesis("H2", Status.SINGULAR, why)
        return Hypothesis("H2", Status.UNDECIDED, f"kappa_min = {kappa[0]:.3g} is not far from its error {margin:.2g}: K may be singular")

    def _strength(self) -> Floats:
        """The largest cosine |K_ab| / sqrt(K_aa K_bb) between the gradients of two samples, (N, N)."""
        norms = np.sqrt(np.where(self.diagonal > 0, self.diagonal, 1))
        cosines = np.abs(self.gram) / norms[:, None] / norms
        n, q = self.size, self.outputs
        return np.asarray(cosines.reshape(n, q, n, q).max((1, 3)))

    @cached_property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """Connected components (E1) of the graph of the samples with a gradient; an edge where the cosine of two gradients exceeds `accuracy`."""
        return self._components(self.accuracy)

    def _components(self, cut: float) -> tuple[tuple[int, ...], ...]:
        from scipy.sparse.csgraph import connected_components

        count, label = connected_components(self._strength() > cut, directed=False)
        loud = self.own[:, -1] > 0
        found = (tuple(int(i) for i in np.flatnonzero((label == c) & loud)) for c in range(count))
        return tuple(sorted(component for component in found if component))

    def connectedness(self) -> Hypothesis:
        """R2: the graph of K is connected."""
        everything = (tuple(range(self.size)),)
        if self._components(SAFETY * self.accuracy) == everything:
            return Hypothesis("R2", Status.NUMERICALLY, f"the graph of K is connected by cosines above {SAFETY * self.accuracy:.1g}")
        if self.components == everything:
            return Hypothesis("R2", Status.UNDECIDED, "the graph of K is connected only by entries that are not far from their error")
        silent = f", and samples without a gradient: {_listed(self.silent)}" if self.silent else ""
        return Hypothesis("R2", Status.SINGULAR, f"the graph of K has {len(self.components)} components{silent}")

    @cached_property
    def separated(self) -> Floats:
        """K with zeros where two components meet, which the accuracy of K allows: simulations then see the components as they are."""
        rows = np.full(self.size, -1)
        for c, component in enumerate(self.components):
            rows[list(component)] = c
        label = np.repeat(rows, self.outputs)
        return np.where(label[:, None] == label, self.gram, 0.0)


def _listed(samples: list[int]) -> str:
    return ", ".join(map(str, samples[:5])) + (", ..." if len(samples) > 5 else "")
