"""The paired check: do real runs near a minimum do what K says? Real and linear runs start together and use the same samples; their log residuals are compared.

d(n, s) = log rms r_n of real run s - log rms of the linear run r <- A_(xi_n) r with the claimed K. Round-off is kept out by comparing only while residuals are
1e5 times above what rounding w does to them. Nonlinearity is first order in the distance from the minimum: at a tenth of the radius d is a tenth as large. What
a wrong K does (permuted or transposed blocks, a missing sample, a wrong factor of the loss or of the batch) does not depend on the radius. So with both radii
(10 d_small - d_large) / 9 is free of the nonlinearity up to second order. Agreement counts only where these runs would have shown a K that is 1 % too large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..exact import InputError
from ..measured import reals
from ..optimiser import Optimiser, epoch_length
from .arguments import integer, number, seeded
from .cocycle import linear_course
from .descent import Descent, checked_samples
from .draws import Indices, batch_size, draws
from .loss import Loss
from .minimum import NetworkMinimum, checked_minimum
from .model import Floats
from .precision import jax_module

SHRINK = 10.0
ROOM = 1e5  # residuals that are compared are so far above round-off
GROWTH = 10.0  # and have grown at most so much from the predicted size of the start
LARGEST = 1e-2
VAST = 1e9  # for a difference to a linear run that reached zero
SEEN = 0.01  # the relative error of K that must be visible
EVERY = 10
MOST = 10**8  # samples drawn by all runs together: about 1.2 GB


@dataclass(frozen=True)
class PairedCheck:
    """`difference`: the largest |d| at the two `radii`, the smaller one last; `extrapolated`: the same for radius zero; in log, that is relative to residuals.

    `visible`: the relative error of K as a whole that would have made a difference of `tolerance`. `real`, `linear`: log rms at the larger radius,
    (times, runs), every `every` steps (1 where no run stays in the linear regime until the first record otherwise). An experiment, not a proof.
    """

    agrees: bool | None
    reason: str
    radii: tuple[float, float]
    difference: tuple[float, float]
    extrapolated: float
    visible: float
    tolerance: float
    steps: int
    every: int
    real: Floats = field(repr=False, compare=False)
    linear: Floats = field(repr=False, compare=False)

    @property
    def verdict(self) -> str:
        """ "agree", "disagree" or "undecided"."""
        return "undecided" if self.agrees is None else "agree" if self.agrees else "disagree"

    def __str__(self) -> str:
        pairs = " and ".join(f"{d:.2g} from distance {r:.2g}" for d, r in zip(self.difference, self.radii, strict=True))
        return f"{self.verdict}: log residuals of real and linear runs differ by up to {pairs}; {self.reason}"


def paired_check(
    minimum: NetworkMinimum,
    optimiser: Optimiser,
    *,
    gram: Any = None,
    theory: Optimiser | None = None,
    loss: Callable[[Any], Any] | None = None,
    nesterov: bool = False,
    r0: float = 1e-5,
    runs: int = 32,
    steps: int = 1000,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> PairedCheck:
    """Compare real runs of `optimiser` near the minimum with linear ones.

    What is claimed: `gram` (N q, N q) and the optimiser in the theory's convention, `theory`; by default those of the minimum. What is run: `loss`, a function
    of the residuals (B, q) of a batch that JAX differentiates, by default the minimum's. Runs start in random directions of span{g_i}, at the distance where K
    predicts residuals of `r0` (1 + max |z|). Raises `InputError` for arguments out of range, a K of the wrong shape, and weight decay (the minimum is then no
    fixed point).
    """
    checked_samples(optimiser, checked_minimum(minimum).network.size)
    if theory is not None and not isinstance(theory, Optimiser):
        raise InputError(f"theory = {theory!r:.60} is not an optimiser; leave it out for the minimum's own, minimum.theory(optimiser)")
    if optimiser.weight_decay:
        raise InputError(f"weight_decay = {optimiser.weight_decay}: with it the minimum is no fixed point, and runs do not follow K alone; set it to 0")
    network, q = minimum.network, minimum.network.outputs
    drawn = integer("runs", runs, 1, 1_000_000) * integer("steps", steps, 1, 1_000_000) * batch_size(optimiser, network.size)
    if drawn > MOST:
        raise InputError(f"runs * steps * batch = {drawn} samples do not fit into memory; at most {MOST} are drawn: take fewer runs or steps")
    seeded(seed)
    number("tolerance", tolerance, 0, 1)
    number("r0", r0, 0, 1.001 * LARGEST)
    k = minimum.gram if gram is None else reals(gram, "gram")
    if k.shape != (network.size * q,) * 2 or not np.trace(k) > 0:
        raise InputError(f"gram has shape {k.shape} and trace {np.trace(k):.3g}; N q = {network.size * q} rows and columns and a positive trace are needed")
    descent = minimum.descent(optimiser)
    if loss is not None or nesterov:
        trained = minimum.loss if loss is None else _Given(loss, batch_size(optimiser, network.size), q)
        descent = Descent.of(network, minimum.targets, optimiser, trained, nesterov=nesterov)
    claimed = minimum.theory(optimiser) if theory is None else theory
    rng = np.random.default_rng([seed, 23])
    scale = 1 + float(np.abs(minimum.targets).max())
    radius = r0 * scale / float(np.sqrt(np.trace(k) / len(k)))
    radii = (radius, radius / SHRINK)
    normal = np.array([network.pull(minimum.w, s) for s in rng.standard_normal((runs, network.size, q))])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    length = epoch_length(optimiser, network.size)
    every = -(-min(EVERY, steps) // length) * length
    samples = draws(optimiser, network.size, -(-steps // every) * every, runs, rng)
    w = np.concatenate([minimum.w + size * normal for size in radii])
    first = descent.residuals(w)
    rounding = float(np.abs(descent.residuals(minimum.w * (1 + np.finfo(float).eps * rng.choice([-1.0, 1.0], (len(w), len(minimum.w)))))).max())
    lowest, highest = np.log(ROOM * rounding), np.log(GROWTH * r0 * scale)

    def compared(samples: Indices, every: int) -> tuple[PairedCheck, bool]:
        """The check of these steps, and whether any run has a record that counts after its start."""

        def linear(matrix: Floats, residuals: Floats) -> Floats:
            return linear_course(matrix, claimed, residuals, samples, every, outputs=q, nesterov=nesterov)

        _, logs = descent.moved(descent.start(w), np.tile(samples, (1, 2, 1)), every)
        course = np.concatenate([_log_rms(first)[None], logs]).reshape(-1, 2, runs)
        predicted = np.stack([linear(k, first[:runs]), linear(k, first[runs:])], 1)
        readable, inside = ((course > lowest) & np.isfinite(course)).all(1), (course < highest).all(1)
        lasting = np.logical_and.accumulate(readable & inside)
        # a run counts until it leaves the range, and there too if by the linear run it should not have left
        window = readable & (inside | (predicted < highest).all(1)) & np.concatenate([lasting[:1], lasting[:-1]])
        with np.errstate(invalid="ignore"):
            changes = *(course - predicted).swapaxes(0, 1), linear((1 + SEEN) * k, first[:runs]) - predicted[:, 0]
        large, small, more = (np.where(window, np.nan_to_num(x, nan=VAST, posinf=VAST, neginf=-VAST), 0) for x in changes)
        difference, shift = (float(np.abs(large).max()), float(np.abs(small).max())), float(np.abs(more).max())
        extrapolated = float(np.abs(SHRINK * small - large).max() / (SHRINK - 1))
        visible = SEEN * tolerance / shift if shift else float("inf")
        agrees, reason = _verdict(difference, extrapolated, visible, tolerance, window)
        found = PairedCheck(agrees, reason, radii, difference, extrapolated, visible, tolerance, len(samples), every, course[:, 0], predicted[:, 0])
        return found, bool(window[1:].any())

    check, seen = compared(samples, every)
    return check if seen or every == 1 else compared(samples[:every], 1)[0]


def _verdict(difference: tuple[float, float], extrapolated: float, visible: float, tolerance: float, window: Any) -> tuple[bool | None, str]:
    """`window`, (times, runs): which records count."""
    if not window[0].any():
        return None, "no run starts between round-off and the nonlinear regime: polish the minimum, or change r0"
    if extrapolated > tolerance and difference[1] > difference[0] / 2:
        return False, "the difference does not shrink with the distance: K, the loss convention or the batch is not what is run"
    if difference[1] > tolerance:
        return None, "the difference shrinks with the distance but is above the tolerance: take a smaller r0"
    if not visible <= SEEN:
        hidden = f"a K that is {100 * SEEN:g} % too large would not have shown"
        if window[-1].any():
            return None, f"the runs are too short: {hidden}; take more steps"
        return None, f"the runs leave the range between round-off and the nonlinear regime too soon: {hidden}; take a smaller step size"
    return True, f"K off by {100 * visible:.2g} % would have shown"


def _log_rms(residuals: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(0.5 * np.log((residuals**2).mean((1, 2))))


class _Given(Loss):
    """A loss that a user wrote. Raises `InputError` where it is not a number for residuals (B, q)."""

    def __init__(self, function: Callable[[Any], Any], batch: int, outputs: int) -> None:
        super().__init__("half_squared")
        try:
            shape = jax_module().eval_shape(function, np.zeros((batch, outputs))).shape
        except Exception as error:  # whatever a user's function raises
            raise InputError(f"loss fails for residuals of shape {(batch, outputs)}: {type(error).__name__}: {error}") from None
        if shape:
            raise InputError(f"loss returns shape {shape} for residuals (B, q) = {(batch, outputs)}; it must be one number, the loss of the batch")
        object.__setattr__(self, "function", function)

    def value(self, residuals: Any) -> Any:
        function: Callable[[Any], Any] = vars(self)["function"]
        return function(residuals)
