"""A case: a problem with everything that statements ask of it, computed once. Signs are certified, simulations carry their error probability.

A problem that is given by its Gram matrix is read as the linear model with that Gram matrix (one exists): for it the linearised step is the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

from verify.exact import InputError, Vector
from verify.minimum import Minimum
from verify.optimiser import SGD, GradientDescent, Optimiser, full_descent, is_full_batch
from verify.problem import Problem
from verify.result import Enclosure, Exponent, Sign

from .conclusion import Facts
from .evidence import Evidence, certificate_of, enclosed, exponent_evidence
from .facts import facts_of
from .statement import Fact


class Simulation(Protocol):
    """What a simulation answers: the verdict is a statistical test with this error probability."""

    @property
    def verdict(self) -> str: ...
    @property
    def error_probability(self) -> float | None: ...
    @property
    def reason(self) -> str: ...


class Simulator(Protocol):
    """Runs the iteration itself on a problem."""

    def __call__(self, problem: Problem, *, seed: int, error_probability: float) -> Simulation: ...


@dataclass(frozen=True, eq=False)
class Case:
    """A problem under examination. `seconds` is the limit of each search for a proof, `error_probability` that of each statistical test."""

    problem: Problem
    seconds: float = 5.0
    seed: int = 0
    error_probability: float = 1e-6
    simulator: Simulator | None = None

    def of(self, problem: Problem) -> Case:
        """Another problem under the same limits."""
        return replace(self, problem=problem)

    def under(self, optimiser: Optimiser) -> Case:
        """The same minimum under another optimiser."""
        return self.of(replace(self.problem, optimiser=optimiser))

    def at(self, step_size: Fraction) -> Case:
        """The same problem at another step size."""
        return self.of(self.problem.at(step_size))

    def with_gram(self, gram: Any) -> Case:
        """The same optimiser at a minimum with another Gram matrix."""
        return self.of(Problem.from_gram(gram, self.optimiser, name=f"companion of {self.problem.name}"))

    @property
    def minimum(self) -> Minimum:
        """The exact minimum; raises `InputError` where the problem has none."""
        return self.problem.exact[0]

    @property
    def optimiser(self) -> Optimiser:
        """The optimiser; raises `InputError` where the problem has none."""
        return self.problem.exact[1]

    @property
    def gram(self) -> tuple[Vector, ...]:
        """K, exact."""
        return self.minimum.gram

    @property
    def eta(self) -> Fraction:
        """The step size."""
        return self.optimiser.step_size

    @property
    def c(self) -> Vector:
        """c_i = eta K_ii."""
        return tuple(self.eta * k for k in self.minimum.diagonal)

    @property
    def full_batch(self) -> bool:
        """Whether the optimiser is gradient descent, or SGD with every sample in every step."""
        return is_full_batch(self.optimiser, self.minimum.size)

    @cached_property
    def gradient_descent(self) -> Case:
        """Gradient descent at the same step size."""
        return self if isinstance(self.optimiser, GradientDescent) else self.under(full_descent(self.optimiser))

    @property
    def single_draws(self) -> bool:
        """Batch 1."""
        return isinstance(self.optimiser, SGD) and self.optimiser.batch == 1

    @cached_property
    def lambda_(self) -> Exponent:
        """lambda with the proof that the engine prefers; undecided rather than estimated."""
        return self.problem.lyapunov(estimate=False, time_limit=self.seconds, seed=self.seed)

    @cached_property
    def mu(self) -> Exponent:
        """mu; for bare matrices undecided."""
        return self.problem.mu() or Enclosure("none", "bare matrices have no gradient descent", None, None)

    @cached_property
    def ms(self) -> Exponent:
        """The mean-square exponent."""
        return self.problem.mean_square()

    def exponent(self, quantity: str) -> Exponent:
        """lambda, mu or ms by name."""
        return {"lambda": lambda: self.lambda_, "mu": lambda: self.mu, "ms": lambda: self.ms}[quantity]()

    def is_sign(self, quantity: str, *signs: str) -> Fact:
        """Whether the exponent has one of the signs, by a certificate; None where its sign is not proved."""
        found = self.exponent(quantity)
        if found.sign is Sign.UNDECIDED:
            return Fact(None, f"the sign of {quantity} is not proved: {found.reason or found}")
        return Fact(found.sign.value in signs, f"{quantity} is {found.sign.value} ({found.method})", certificate_of(found))

    @cached_property
    def facts(self) -> Facts:
        """Everything T1 to T3 ask for, with the certified signs of this optimiser."""
        optimiser, signs = self.optimiser, {"mu_sign": "undecided", "lambda_sign": "undecided"}
        signs["mu_sign" if self.full_batch else "lambda_sign"] = (self.mu if isinstance(optimiser, GradientDescent) else self.lambda_).sign.value
        return facts_of(self.minimum, optimiser, linear=True, **signs)  # type: ignore[arg-type]

    @cached_property
    def hypotheses(self) -> Facts:
        """The same without the signs, which take longer."""
        return facts_of(self.minimum, self.optimiser, linear=True)

    @cached_property
    def simulation(self) -> Simulation:
        """The iteration run for real, once."""
        if self.simulator is not None:
            return self.simulator(self.problem, seed=self.seed, error_probability=self.error_probability)
        from verify.simulate import simulate

        found: Simulation = simulate(self.problem, seed=self.seed, error_probability=self.error_probability)
        return found

    def simulated(self, verdict: str) -> Fact:
        """Whether the iteration converges ("converges") or leaves ("diverges"), by simulation; None where it cannot tell."""
        try:
            seen = self.simulation
        except InputError as error:
            return Fact(None, f"no simulation: {error}")
        if seen.verdict == "undecided":
            return Fact(None, f"the simulation is undecided: {seen.reason}")
        wrong = seen.error_probability or 0.0
        text = f"the simulation {seen.verdict} (wrong with probability at most {wrong:.0e}): {seen.reason}"
        return Fact(seen.verdict == verdict, text, error_probability=wrong)

    def other(self, without: Iterable[str], width: str | None = None) -> Evidence:
        """lambda by proofs that use none of the methods `without`, else by Monte Carlo."""
        key = (frozenset(without), width)
        if key not in self._others:
            self._others[key] = exponent_evidence(self.problem, key[0], width, self.seconds, self.seed, self.error_probability)
        return self._others[key]

    @cached_property
    def _others(self) -> dict[tuple[frozenset[str], str | None], Evidence]:
        return {}

    def enclosure(self, width: str, without: Iterable[str] = ()) -> Evidence:
        """A proved enclosure of lambda, as far as it gets in the time; never an estimate."""
        key = (frozenset(without), f"proved {width}")
        if key not in self._others:
            self._others[key] = enclosed(self.problem.lyapunov(width, estimate=False, time_limit=self.seconds, seed=self.seed, without=key[0]))
        return self._others[key]
