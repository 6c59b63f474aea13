"""A minimum of a network: the point w, the targets it interpolates, the loss convention, and everything that stability depends on, K."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np

from ..exact import InputError
from ..optimiser import SGD, Optimiser
from ..problem import Problem
from ..problem_file import refuse_unknown
from ..threshold import Threshold
from .architectures import ARCHITECTURES, Architecture
from .arguments import seeded
from .data import data_set
from .descent import Descent
from .levenberg_marquardt import checked_targets, interpolate, teacher
from .loss import Loss, loss_of
from .model import Floats, Network, checked_gram, checked_network

RESOLUTION = 1e-3


@dataclass(frozen=True)
class NetworkMinimum:
    """w (D,) with F(w) = targets (N, q), up to `residual`. K is measured in floating point: what follows from it are estimates."""

    network: Network
    w: Floats
    targets: Floats
    loss: Loss

    @classmethod
    def of(cls, network: Network, w: Any, targets: Any, loss: Loss | str) -> NetworkMinimum:
        """`w`: flat (D,), or a pytree shaped like the network's own, of float64. Whether it is a minimum is for the caller to ask: `residual`.

        Raises `InputError` for a w or targets of the wrong kind or shape.
        """
        return cls(network, checked_network(network).flat(w, "w"), checked_targets(network, targets), loss_of(loss))

    @cached_property
    def residuals(self) -> Floats:
        """F(w) - z, (N, q)."""
        return self.network.values(self.w) - self.targets

    @property
    def residual(self) -> float:
        """The largest |F - z|."""
        return float(np.abs(self.residuals).max())

    @cached_property
    def gram(self) -> Floats:
        """K = J J^T, (N q, N q), of the theory: no factor of the loss and no 1/N. Raises `InputError` where it is zero."""
        return checked_gram(self.network.gram(self.w))

    def theory(self, optimiser: Optimiser) -> Optimiser:
        """The same steps in the theory's convention."""
        return self.loss.in_theory(optimiser, self.network.outputs, self.network.size)

    def problem(self, optimiser: Optimiser) -> Problem:
        """The linearised problem, in the theory's convention: its exponents are those of the optimiser, its step sizes are `factor` times the optimiser's."""
        return Problem.measured(self.gram, self.theory(optimiser), outputs=self.network.outputs, name="network")

    def factor(self, optimiser: Optimiser) -> Fraction:
        """f of the loss: (theory's step size) / (the optimiser's)."""
        return self.loss.factor_of(optimiser, self.network.outputs, self.network.size)

    @cached_property
    def _runs(self) -> Descent:
        return Descent.of(self.network, self.targets, SGD(1), self.loss)

    def descent(self, optimiser: Optimiser) -> Descent:
        """Real runs of an optimiser (in the convention of the loss) with these targets; programs are compiled once for all optimisers."""
        return self._runs.at(optimiser)

    def at(self, w: Floats) -> NetworkMinimum:
        """Another point with the same targets; programs compiled for real runs are shared."""
        other = replace(self, w=w)
        vars(other)["_runs"] = self._runs
        return other

    def threshold(self, optimiser: Optimiser, resolution: float = RESOLUTION, **options: Any) -> Threshold:
        """The first sign change of lambda found, in the optimiser's own step size, to `resolution` times 2/max K_ii. By simulation, with its confidence."""
        f = self.factor(optimiser)
        width = Fraction(2 * resolution / float(np.diag(self.gram).max())).limit_denominator(10**12)
        found = self.problem(optimiser).threshold(width, **options)
        return replace(found, lo=found.lo / f, hi=found.hi / f)


def example(
    architecture: Architecture | str = "mlp",
    data: str = "digits",
    size: int = 8,
    seed: int = 0,
    loss: Loss | str = "half_squared",
    outputs: int = 1,
    init_seed: int | None = None,
) -> NetworkMinimum:
    """A minimum of a shipped network on N = `size` samples of shipped data: Levenberg-Marquardt from a random start, then z_i = F(w, y_i) (teacher labels).

    `seed` draws the samples, `init_seed` (default: `seed`) the start. `outputs` beyond those of the data give every sample random further
    targets. `loss` has a default here alone, where there is no training run that it could contradict: step sizes are then those of the theory. Raises
    `InputError` where no minimum is found.
    """
    seeded(seed)
    seeded(0 if init_seed is None else init_seed)
    made = architecture if isinstance(architecture, Architecture) else architecture_named(architecture)
    inputs, targets = data_set(data, size, seed)
    rng = np.random.default_rng([seed if init_seed is None else init_seed, 101])
    more = rng.standard_normal((size, max(0, outputs - targets.shape[1])))
    targets = np.hstack([targets, more])
    network = Network(made.function, made.initialise(rng, inputs.shape[1:], targets.shape[1]), inputs)
    fit = interpolate(network, targets)
    if not fit.residual <= 1e-12:
        raise InputError(f"no interpolating minimum was found: the residual stays at {fit.residual:.2g}; use fewer samples, a wider model or another seed")
    return NetworkMinimum(network, fit.w, teacher(network, fit.w), loss_of(loss))


def architecture_named(name: str, **options: Any) -> Architecture:
    """A shipped architecture. Raises `InputError`."""
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise InputError(f"architecture = {name!r} is not known; write one of {', '.join(ARCHITECTURES)}")
    known = list(signature(ARCHITECTURES[name]).parameters)
    if options and not known:
        raise InputError(f"{next(iter(options))} is given, but the architecture {name} has no options; leave it out")
    refuse_unknown(options, known, f"of the architecture {name}")
    return ARCHITECTURES[name](**options)


def checked_minimum(minimum: Any) -> NetworkMinimum:
    """Raises `InputError` unless it is one."""
    if not isinstance(minimum, NetworkMinimum):
        raise InputError(f"minimum = {minimum!r:.60} is not a NetworkMinimum; make one with NetworkMinimum.of(network, w, targets, loss)")
    return minimum
