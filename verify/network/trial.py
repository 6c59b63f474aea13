"""One trial: a minimum of a network, its thresholds and exponent, and many runs of SGD for real that start near it. The task of a sweep.

The minimum is exact (teacher labels). All figures are measured in floating point: thresholds and exponents are Monte Carlo estimates at the stated confidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ..certificate.format import canonical
from ..exact import InputError, positive, rational
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled, is_full_batch
from ..result import Estimate, Sign, as_float
from ..simulate.ladder import LadderResult
from .architectures import ARCHITECTURES
from .data import DATA
from .descent import checked_samples
from .kernel import Kernel
from .loss import Loss
from .minimum import NetworkMinimum, architecture_named, example
from .paired import paired_check
from .radius_ladder import measured_rate, radius_ladder
from .step_sizes import StepSizes, step_sizes

RELATIVE = "eta*"
KINDS = ("sgd", "gd", "reshuffled")
SMALLEST_RADIUS = Fraction(1, 10**8)
LIMITS = 3
_OPTIMISER = ("optimiser", "batch", "replacement", "momentum")
_RUNS = ("step_size", "radius", "runs", "steps", "seed")

TRIAL_COLUMNS = {
    "parameters": "int", "residual": "float", "kappa_min": "float", "kappa_max": "float",
    "eta_nonexpansive": "float", "eta_ms": "float", "eta_star": "float", "eta_star_width": "float", "eta_det": "float", "eta_gd": "float",
    "eta": "float", "eta_exact": "str", "lambda": "float", "half_width": "float", "confidence": "float", "likely": "str",
    "near": "int", "elsewhere": "int", "away": "int", "unsettled": "int",
    "limits": "int", "limits_negative": "int", "limits_positive": "int", "dropped": "int",
    "paired": "float", "paired_large": "float", "paired_verdict": "str", "rate": "float", "rate_error": "float", "deviation": "float",
}  # fmt: skip


@dataclass(frozen=True)
class NetworkTask:
    """Everything that a trial depends on. Numbers may be spelled in any exact way; equal tasks are equal.

    `step_size` is "1/10", or "0.97 eta*" for a multiple of the sign change of lambda that is found at this minimum; `options` are those of the architecture, as
    a mapping or as JSON. Gradient descent has the batch N.
    """

    architecture: str = "mlp"
    options: str = "{}"
    data: str = "digits"
    size: int = 8
    outputs: int = 1
    data_seed: int = 0
    init_seed: int = 0
    loss: str = "half_squared"
    reduction: str = "mean"
    optimiser: str = "sgd"
    batch: int = 1
    replacement: bool = True
    momentum: str = "0"
    step_size: str = "9/10 eta*"
    radius: str = "1/100000"
    runs: int = 32
    steps: int = 8000
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `InputError`."""
        for name, known in (("architecture", tuple(ARCHITECTURES)), ("data", DATA), ("optimiser", KINDS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} = {getattr(self, name)!r} is not known; write one of {', '.join(known)}")
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if "seed" in field.name else 1
            if field.type == "int" and (isinstance(value, bool) or not isinstance(value, int) or not least <= value < 10**9):
                raise InputError(f"{field.name} = {value!r} is not an integer from {least} to 10^9 - 1")
        Loss(self.loss, self.reduction)
        options = _options(self.options)
        architecture_named(self.architecture, **options)
        radius = positive(self.radius, "radius")
        if radius < SMALLEST_RADIUS:
            raise InputError(f"radius = {self.radius} is below 1e-8, where double precision cannot tell a start from the minimum")
        exact: dict[str, Any] = {"options": canonical(options), "step_size": _spelled(self.step_size), "radius": str(radius)}
        exact |= {"momentum": str(rational(self.momentum, "momentum"))} | ({"batch": self.size, "replacement": False} if self.optimiser == "gd" else {})
        for name, value in exact.items():
            object.__setattr__(self, name, value)
        checked_samples(self.at(Fraction(1)), self.size)

    def at(self, eta: Fraction) -> Optimiser:
        """The optimiser at an absolute step size."""
        if self.optimiser == "gd":
            return GradientDescent(eta, self.momentum)
        return Reshuffled(eta, self.batch, self.momentum) if self.optimiser == "reshuffled" else SGD(eta, self.batch, self.replacement, momentum=self.momentum)

    def without(self, *names: str) -> NetworkTask:
        """The task with the defaults for some fields: what is left is what a part of the trial depends on."""
        defaults: dict[str, Any] = {field.name: field.default for field in fields(self) if field.name in names}
        return replace(self, **defaults)

    def absolute(self, eta_star: float | None) -> Fraction:
        """The step size, at a minimum with this threshold; a multiple is rounded to nine digits. Raises `InputError`."""
        if not self.step_size.endswith(RELATIVE):
            return Fraction(self.step_size)
        if eta_star is None:
            raise InputError(f"step_size = {self.step_size!r}: no sign change of lambda was found at this minimum; give the step size itself")
        return Fraction(f"{float(Fraction(self.step_size.removesuffix(RELATIVE))) * eta_star:.9g}")


def run_task(task: NetworkTask) -> dict[str, Any]:
    """The trial, with the columns `TRIAL_COLUMNS`; exponents and rates in nats per step, step sizes in the optimiser's own convention. Raises `InputError`.

    Thresholds (`step_sizes`): eta_nonexpansive = 2/max K_ii (E5), eta_ms (E11), eta_star, the sign change of lambda, eta_det (E6), eta_gd; None where one does
    not apply. `runs` runs from the distance `radius` end `near` (within 10 radii), `elsewhere`, `away` or are `unsettled`; lambda is estimated at up to three
    ends (`limits`); `dropped` counts ends that were round-off's (`radius_ladder`). `paired` and `paired_large` are the largest differences of the paired check
    at its two distances, the smaller one first; `rate` and `rate_error` those of floor-free real runs, `deviation` is (rate - lambda) in standard errors; None
    where the runs leave the linear regime at once, draw nothing, or where slow modes (kappa_min) have not decayed before the rate is read.
    """
    minimum = _minimum(task.without(*_OPTIMISER, *_RUNS))
    sizes = _step_sizes(task.without(*_RUNS))
    star = sizes.gd if is_full_batch(task.at(Fraction(1)), task.size) else sizes.sgd
    ends = None if star.lo is None or star.hi is None else (star.lo, star.hi)
    eta = task.absolute(sum(ends) / 2 if ends else None)
    optimiser = task.at(eta)
    ladder = radius_ladder(minimum, optimiser, (float(Fraction(task.radius)),), task.runs, task.steps, task.seed, limits=LIMITS)
    exponent = ladder.exponent
    if not isinstance(exponent, Estimate):
        raise InputError(f"lambda has no estimate: {exponent.reason}")
    kappa = np.linalg.eigvalsh(minimum.gram)
    return {
        "parameters": minimum.network.parameters, "residual": minimum.residual, "kappa_min": kappa[0], "kappa_max": kappa[-1],
        "eta_nonexpansive": sizes.nonexpansive.lo, "eta_ms": sizes.mean_square.lo, "eta_det": sizes.determinant.hi, "eta_gd": sizes.gd.lo,
        "eta_star": sum(ends) / 2 if ends else None, "eta_star_width": ends[1] - ends[0] if ends else None, "eta": as_float(eta), "eta_exact": str(eta),
        "lambda": exponent.value, "half_width": exponent.half_width, "confidence": exponent.confidence, "likely": exponent.likely.value,
    } | _ends(ladder) | _rates(task, minimum, optimiser)  # fmt: skip


@lru_cache(maxsize=4)
def _minimum(task: NetworkTask) -> NetworkMinimum:
    """The minimum, with its compiled programs, for all optimisers and starts."""
    architecture = architecture_named(task.architecture, **json.loads(task.options))
    seeds = {"seed": task.data_seed, "init_seed": task.init_seed}
    return example(architecture, task.data, task.size, loss=Loss(task.loss, task.reduction), outputs=task.outputs, **seeds)


@lru_cache(maxsize=64)
def _step_sizes(task: NetworkTask) -> StepSizes:
    minimum = _minimum(task.without(*_OPTIMISER))
    kernel = Kernel.of(minimum.gram, minimum.network.outputs, minimum.network.parameters)
    return step_sizes(kernel, task.at(Fraction(1)), minimum.loss)


def _ends(ladder: LadderResult) -> dict[str, Any]:
    (rung,), signs = ladder.rungs, [limit.sign for limit in ladder.limits]
    limits = {"limits": len(signs), "limits_negative": signs.count(Sign.NEGATIVE), "limits_positive": signs.count(Sign.POSITIVE), "dropped": ladder.dropped}
    return {name: getattr(rung, name) for name in ("near", "elsewhere", "away", "unsettled")} | limits


def _rates(task: NetworkTask, minimum: NetworkMinimum, optimiser: Optimiser) -> dict[str, Any]:
    check = paired_check(minimum, optimiser, runs=task.runs, seed=task.seed)
    found = {"paired": check.difference[1], "paired_large": check.difference[0], "paired_verdict": check.verdict, "rate": None, "rate_error": None}
    try:
        rate = measured_rate(minimum, optimiser, runs=max(2, task.runs), seed=task.seed)
    except InputError:  # growth so fast that no run stays in the linear regime for long
        return found | {"deviation": None}
    found |= {"rate": rate.value, "rate_error": rate.error, "deviation": None}
    if not isinstance(rate.exponent, Estimate) or is_full_batch(optimiser, task.size):
        return found
    return found | ({"deviation": rate.deviation} if rate.relaxed else {})


def trial_seconds(tasks: Sequence[NetworkTask]) -> float:
    """A rough guess: a search and its compilation for each minimum, compilations for each batch size, and the steps, of which runs that settle need fewer."""
    minima = {task.without(*_OPTIMISER, *_RUNS) for task in tasks}
    programs = {replace(task.without("optimiser", "replacement", "momentum", *_RUNS), runs=task.runs) for task in tasks}
    steps = sum(task.runs * task.steps * (task.batch + task.size / 20) for task in tasks)
    return 6.0 * len(minima) + 6.0 * len(programs) + 2.0 * len(tasks) + 6e-6 * steps


def _options(options: Any) -> dict[str, Any]:
    try:
        found = json.loads(options) if isinstance(options, str) else options
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise InputError(f"options = {options!r} is not a table; write for example options = {{width = 8}}")
    return dict(found)


def _spelled(step_size: Any) -> str:
    """The canonical spelling of a step size. Raises `InputError`."""
    if isinstance(step_size, str) and step_size.rstrip().endswith(RELATIVE):
        return f"{positive(step_size.rstrip().removesuffix(RELATIVE).rstrip(' *') or '1', 'step_size')} {RELATIVE}"
    return str(positive(step_size, "step_size"))
