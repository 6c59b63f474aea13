"""What SGD selects: one network trained from random starts; lambda, the thresholds and the usual sharpness measures at each limit, and the error on other data.

T2' (T1' for gradient descent): under H1-H3, almost surely, a regular minimum that SGD converges to has lambda <= 0. `t2_prime` holds a table of limits
against it. Everything is measured in floating point, lambda and eta* by simulation at the stated confidence.

A limit is replaced by the minimum next to the run's end (`training.polished`); `moved`, the distance, bounds how much K can differ. Batch sharpness is that of
A. Andreyev, P. Beneventano, Edge of Stochastic Stability, arXiv 2412.20553: E_S[ g_S^T H_S g_S / |g_S|^2 ], g_S and H_S gradient and Hessian of the loss of
batch S; they see it settle at 2/eta while training goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..certificate.format import canonical
from ..exact import InputError, positive
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled, is_full_batch
from ..result import Estimate, as_float
from ..threshold.search import NotFound
from .architectures import ARCHITECTURES, Architecture
from .data import split
from .descent import Descent, checked_samples
from .draws import batch_size, draws
from .kernel import Kernel
from .loss import Loss
from .mean_square import mean_square_step_size
from .minimum import NetworkMinimum, architecture_named
from .model import Floats, Network
from .precision import double_precision, jax_module
from .training import Trained, polished, train

KINDS = ("sgd", "gd", "reshuffled")
CONFIDENCE = 0.9999  # of each lambda: a table of 500 limits then has a false alarm with probability at most 5 %
SAMPLING = {"steps": 2_000_000, "threads": 1}  # at a limit
QUICK = {"steps": 100_000, "threads": 1}  # along training
TOLERANCE, VISIBLE = 1e-8, 1e-6  # a run ends at the first; batch sharpness is not measured in the rounding below the second
INTERPOLATED = 1e-12
RESOLUTION = 1e-2  # of eta*, relative to 2/max K_ii
BATCHES = 64  # drawn for the batch sharpness of batches larger than one
AGAIN = 20_000  # steps below the float floor that a limit with lambda > 0 must withstand

SELECTION_COLUMNS = {
    "outcome": "str", "reason": "str", "hypotheses": "str", "stands": "bool", "steps_made": "int", "residual": "float", "moved": "float",
    "eta": "float", "lambda": "float", "half_width": "float", "confidence": "float", "mu": "float",
    "eta_ms": "float", "eta_star": "float", "eta_star_width": "float", "eta_first": "float",
    "batch_sharpness": "float", "trace": "float", "kappa_max": "float", "frobenius": "float",
    "train_loss": "float", "test_loss": "float", "test_error": "float",
}  # fmt: skip


@dataclass(frozen=True)
class SelectionTask:
    """Everything that a run depends on; `options` (a mapping or JSON) are the architecture's. The step size is exact, in the convention of the loss."""

    architecture: str = "mlp"
    options: str = "{}"
    data: str = "digits"
    size: int = 16
    data_seed: int = 0
    init_seed: int = 0
    loss: str = "half_squared"
    reduction: str = "mean"
    optimiser: str = "sgd"
    batch: int = 1
    replacement: bool = True
    step_size: str = "1/10"
    steps: int = 20_000
    held_out: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `InputError`."""
        if self.architecture not in ARCHITECTURES or self.optimiser not in KINDS:
            name, known = ("architecture", tuple(ARCHITECTURES)) if self.architecture not in ARCHITECTURES else ("optimiser", KINDS)
            raise InputError(f"{name} = {getattr(self, name)!r} is not known; write one of {', '.join(known)}")
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if "seed" in field.name else 1
            if field.type == "int" and (isinstance(value, bool) or not isinstance(value, int) or not least <= value < 10**9):
                raise InputError(f"{field.name} = {value!r} is not an integer from {least} to 10^9 - 1")
        Loss(self.loss, self.reduction)
        split(self.data, self.size, self.held_out)
        object.__setattr__(self, "options", canonical(_options(self.options)))
        object.__setattr__(self, "step_size", str(positive(self.step_size, "step_size")))
        checked_samples(self.descent, self.size)

    @property
    def descent(self) -> Optimiser:
        """The optimiser, in the convention of the loss."""
        if self.optimiser == "gd":
            return GradientDescent(self.step_size)
        return Reshuffled(self.step_size, self.batch) if self.optimiser == "reshuffled" else SGD(self.step_size, self.batch, self.replacement)


@dataclass(frozen=True)
class Selection:
    """`limits`: a row for each start, the fields of its task and `SELECTION_COLUMNS`. `course`: rows along training, keys as in `selected`."""

    limits: list[dict[str, Any]]
    course: list[dict[str, Any]]


def selection_run(task: SelectionTask) -> dict[str, Any]:
    """One run, with the columns `SELECTION_COLUMNS`. Exponents in nats per step, step sizes in the optimiser's own convention.

    `outcome` is "converged", or "diverged" or "not converged": then `reason` says why, and what belongs to a limit is None (but for lambda where the reason
    is lambda > 0). `eta_star` is the first sign change of lambda found, with its width, `eta_first` = 2/max |g_i|^2 the step size below which no step
    expands, `eta_ms` the mean-square threshold. trace, kappa_max and frobenius are those of K, `test_loss` the mean loss on the held-out samples,
    `test_error` the share of them that is classified wrongly.
    """
    return {name: row[name] for row in selected(task, (task.init_seed,)).limits for name in SELECTION_COLUMNS}


def selected(task: SelectionTask, init_seeds: Sequence[int], along: int = 0, look: int = 100) -> Selection:
    """Runs of one task from several starts at once (the samples of each differ, and differ from those of `selection_run`, which is one start).

    Every `look` steps the runs are looked at, and end if they are close to a minimum. `along` > 0 asks for so many rows along each run, denser at its
    start, until its end or until the residual is too small to be seen: init_seed, step, residual, train_loss, test_loss, test_error, batch_sharpness,
    lambda, half_width, confidence, mu, trace, kappa_max, frobenius, eta_first. Away from minima K is J J^T at the point and lambda that of the products of
    I - eta g_i g_i^T: it speaks of stability in the limit only.
    """
    case = _Case.of(task)
    starts = np.stack([case.network.flat(case.initial(seed)) for seed in init_seeds])
    seen: list[list[tuple[int, Floats]]] = [[] for _ in starts]

    def watch(made: int, w: Floats, sizes: Floats) -> None:
        for i in np.flatnonzero(sizes > VISIBLE):
            kept = seen[i] if along else []
            seen[i] = [*kept, (made, w[i].copy())]

    ended = train(case.descent(task.descent), starts, steps=task.steps, tolerance=TOLERANCE, every=look, piece=look, seed=task.seed, watch=watch)
    limits = [asdict(replace(task, init_seed=seed)) | case.limit(task, ended, i, seen[i][-1][1] if seen[i] else None) for i, seed in enumerate(init_seeds)]
    course = []
    for points, seed in zip(seen, init_seeds, strict=True):
        for j in sorted({round(x) - 1 for x in np.geomspace(1, len(points), along)} if along and points else ()):
            course.append({"init_seed": seed, "step": points[j][0]} | case.on_the_way(task, points[j][1]))
    return Selection(limits, course)


def selection_seconds(tasks: Sequence[SelectionTask]) -> float:
    """A rough guess: compilation for each network and batch size, then the run and the simulations at its limit."""
    programs = {(t.architecture, t.options, t.data, t.size, t.data_seed, t.held_out, t.loss, t.reduction, t.optimiser == "gd" or t.batch) for t in tasks}
    return 6.0 * len(programs) + sum(0.5 + 3e-6 * t.steps * (t.size if t.optimiser == "gd" else t.batch) for t in tasks)


@dataclass(frozen=True)
class LimitsVerdict:
    """How many limits are consistent with T2' (lambda <= 0), inconsistent (lambda > 0), undecided, and to how many rows it does not apply, with reasons."""

    consistent: int
    inconsistent: int
    undecided: int
    inapplicable: Mapping[str, int]

    @property
    def verdict(self) -> str:
        """"inconsistent" if any limit is, "consistent" if none is and at least one is consistent, else "undecided"."""
        return "inconsistent" if self.inconsistent else "consistent" if self.consistent else "undecided"

    def __str__(self) -> str:
        others = "".join(f", {count} do not count ({reason})" for reason, count in self.inapplicable.items())
        counts = f"{self.consistent} limits have lambda <= 0, {self.inconsistent} have lambda > 0, {self.undecided} are undecided"
        return f"{self.verdict} with lambda <= 0 at every limit: {counts}{others}"


def t2_prime(rows: Iterable[Mapping[str, Any]]) -> LimitsVerdict:
    """Limits of runs against T2', from the columns outcome, stands, hypotheses, lambda, half_width; each limit at its own confidence, so an estimate."""
    counts = {"consistent": 0, "inconsistent": 0, "undecided": 0}
    others: dict[str, int] = {}
    for row in rows:
        if row["outcome"] != "converged" or not row["stands"]:
            why = row["outcome"] if row["outcome"] != "converged" else row["hypotheses"]
            others[why] = others.get(why, 0) + 1
            continue
        low, high = row["lambda"] - row["half_width"], row["lambda"] + row["half_width"]
        counts["inconsistent" if low > 0 else "consistent" if high <= 0 else "undecided"] += 1
    return LimitsVerdict(**counts, inapplicable=others)


@dataclass(frozen=True)
class _Case:
    """A network on its data, with what is measured on it. Kept between tasks, so that programs are compiled once."""

    architecture: Architecture
    network: Network
    targets: Floats
    others: tuple[Floats, Floats]
    loss: Loss
    classes: bool

    @classmethod
    def of(cls, task: SelectionTask) -> _Case:
        return _case(task.architecture, task.options, task.data, task.size, task.data_seed, task.held_out, task.loss, task.reduction)

    def initial(self, seed: int) -> Any:
        return self.architecture.initialise(np.random.default_rng([seed, 102]), self.network.inputs.shape[1:], self.network.outputs)

    @cached_property
    def _descent(self) -> Descent:
        return Descent.of(self.network, self.targets, SGD(1), self.loss)

    def descent(self, optimiser: Optimiser) -> Descent:
        return self._descent.at(optimiser)

    def limit(self, task: SelectionTask, ended: Trained, i: int, seen: Floats | None) -> dict[str, Any]:
        """The row of run i; `seen` is the last point at which its residuals could be seen."""
        about: dict[str, Any] = dict.fromkeys(SELECTION_COLUMNS) | {"reason": ended.reasons[i], "hypotheses": "", "stands": False}
        about |= {"steps_made": int(ended.steps[i]), "eta": as_float(task.descent.step_size)}
        finite = bool(np.isfinite(ended.residuals[i]))
        if ended.reasons[i]:
            return about | {"outcome": "not converged" if finite else "diverged", "residual": float(ended.residuals[i]) if finite else None}
        fit = polished(self.network, self.targets, ended.w[i])
        if not fit.residual <= INTERPOLATED:
            return about | {"outcome": "not converged", "residual": float(ended.residuals[i]), "reason": f"there is no minimum beside its end: {fit.reason}"}
        minimum = NetworkMinimum(self.network, fit.w, self.targets, self.loss)
        exponent = _lyapunov(minimum, task.descent, CONFIDENCE, SAMPLING)
        if exponent["lambda"] - exponent["half_width"] > 0 and self._leaves(task, ended.w[i]):
            return about | exponent | {"outcome": "not converged", "reason": "it comes close to a minimum with lambda > 0 and leaves it again"}
        sharpness = None if seen is None else self.batch_sharpness(task, seen)
        measured = {"residual": fit.residual, "moved": fit.moved, "batch_sharpness": sharpness}
        standing = self._hypotheses(minimum, task.descent)
        return about | {"outcome": "converged"} | measured | exponent | standing | _thresholds(minimum, task.descent) | _sizes(minimum) | self._losses(fit.w)

    def on_the_way(self, task: SelectionTask, w: Floats) -> dict[str, Any]:
        """The row of a point of a run."""
        point = NetworkMinimum(self.network, w, self.targets, self.loss)
        exponent = _lyapunov(point, task.descent, 0.99, QUICK)
        first = {"residual": point.residual, "batch_sharpness": self.batch_sharpness(task, w), "eta_first": _first(point, task.descent)}
        return first | exponent | _sizes(point) | self._losses(w)

    def _leaves(self, task: SelectionTask, w: Floats) -> bool:
        """Whether the run from w, its residuals carried below the float floor, grows back to where it can be seen."""
        descent = self.descent(task.descent)
        state = descent.start(w[None], carried=True)
        return any(not float(logs[-1, 0]) < np.log(VISIBLE) for _, logs, _ in descent.course(state, AGAIN, 100, task.seed + 1, 2000))

    @double_precision
    def batch_sharpness(self, task: SelectionTask, w: Floats) -> float | None:
        """E_S[ g_S^T H_S g_S / |g_S|^2 ]: over all samples for batch 1 and all of them, else over `BATCHES` random batches; those with g_S = 0 are left out."""
        optimiser, n = task.descent, self.network.size
        b = batch_size(optimiser, n)
        one = SGD(1, b, replacement=getattr(optimiser, "replacement", False))
        batches = np.arange(n).reshape(-1, b) if b == 1 or is_full_batch(optimiser, n) else draws(one, n, BATCHES, 1, np.random.default_rng(task.seed))[:, 0]
        quotients = np.asarray(self._quotients(w, batches))
        return float(np.nanmean(quotients)) if np.isfinite(quotients).any() else None

    @cached_property
    def _quotients(self) -> Any:
        jax = jax_module()

        def quotient(w: Any, samples: Any) -> Any:
            inputs = jax.tree.map(lambda a: jax.numpy.asarray(a)[samples], self.network.inputs)
            gradient = jax.grad(lambda v: self.loss.value(self.network.batched(v, inputs) - jax.numpy.asarray(self.targets)[samples]))
            g = gradient(w)
            return g @ jax.jvp(gradient, (w,), (g,))[1] / (g @ g)

        return jax.jit(jax.vmap(quotient, (None, 0)))

    @cached_property
    def _predicted(self) -> Any:
        return jax_module().jit(self.network.batched)

    @double_precision
    def _losses(self, w: Floats) -> dict[str, float | None]:
        inputs, targets = self.others
        values = np.asarray(self._predicted(w, inputs))
        loss = Loss(self.loss.kind)
        wrong = values.argmax(1) != targets.argmax(1) if self.network.outputs > 1 else np.sign(values[:, 0]) != targets[:, 0]
        return {
            "train_loss": float(loss.value(self.network.values(w) - self.targets)),
            "test_loss": float(loss.value(values - targets)),
            "test_error": float(wrong.mean()) if self.classes else None,
        }

    def _hypotheses(self, minimum: NetworkMinimum, optimiser: Optimiser) -> dict[str, Any]:
        """Whether T2' (T1' for gradient descent) may be quoted, and with which hypotheses."""
        kernel = Kernel.of(minimum.gram, self.network.outputs, self.network.parameters)
        found = [kernel.independence()] if isinstance(optimiser, GradientDescent) else [kernel.independence(), kernel.connectedness()]
        named = ["H1: " + ("holds" if self.architecture.smooth else "fails (kinks)"), *(f"{one.name}: {one.status.value}" for one in found), "H3: is assumed"]
        if not isinstance(optimiser, GradientDescent):
            plain = isinstance(optimiser, SGD) and optimiser.batch == self.network.outputs == 1
            named.append("R1: is assumed" if plain else "T2 for batches, epochs and vector outputs: an extension")
        return {"hypotheses": ", ".join(named), "stands": self.architecture.smooth and all(one.stands for one in found)}


@lru_cache(maxsize=4)
def _case(architecture: str, options: str, data: str, size: int, data_seed: int, held_out: int, loss: str, reduction: str) -> _Case:
    made = architecture_named(architecture, **_options(options))
    (inputs, targets), others = split(data, size, held_out, data_seed)
    network = Network(made.function, made.initialise(np.random.default_rng(0), inputs.shape[1:], targets.shape[1]), inputs)
    return _Case(made, network, targets, others, Loss(loss, reduction), data.startswith("digits"))


def _options(given: Any) -> dict[str, Any]:
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise InputError(f"options = {given!r} is not a table; write for example options = {{width = 8}}")
    return dict(found)


def _lyapunov(minimum: NetworkMinimum, optimiser: Optimiser, confidence: float, sampling: Mapping[str, Any]) -> dict[str, float]:
    problem = minimum.problem(optimiser)
    found, mu = problem.lyapunov(confidence=confidence, time_limit=60.0, sampling=sampling), problem.mu()
    assert isinstance(found, Estimate)
    assert isinstance(mu, Estimate)
    return {"lambda": found.value, "half_width": found.half_width, "confidence": found.confidence, "mu": mu.value}


def _first(minimum: NetworkMinimum, optimiser: Optimiser) -> float:
    """2/max |g_i|^2 in the optimiser's own step size; for vector outputs with the largest eigenvalue of the samples' own blocks."""
    kernel = Kernel.of(minimum.gram, minimum.network.outputs, minimum.network.parameters)
    return 2 / float(kernel.own.max()) / as_float(minimum.factor(optimiser))


def _thresholds(minimum: NetworkMinimum, optimiser: Optimiser) -> dict[str, float | None]:
    factor, theory = as_float(minimum.factor(optimiser)), minimum.theory(optimiser)
    kernel = Kernel.of(minimum.gram, minimum.network.outputs, minimum.network.parameters)
    ms = mean_square_step_size(kernel, theory) if isinstance(theory, SGD) else None
    try:
        found = minimum.threshold(optimiser, RESOLUTION, time_limit=5.0)
        star = {"eta_star": as_float((found.lo + found.hi) / 2), "eta_star_width": as_float(found.width)}
    except NotFound:
        star = {}
    return {"eta_ms": None if ms is None else ms / factor, "eta_first": _first(minimum, optimiser)} | star


def _sizes(minimum: NetworkMinimum) -> dict[str, float]:
    k = minimum.gram
    return {"trace": float(np.trace(k)), "kappa_max": float(np.linalg.eigvalsh(k)[-1]), "frobenius": float(np.linalg.norm(k))}
