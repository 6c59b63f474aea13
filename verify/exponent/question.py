"""What an exponent method is asked, and what it may answer. Methods propose bounds with proofs; only the trusted checker turns them into verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from ..certificate.format import Proof
from ..exact import InputError
from ..family import MatrixFamily
from ..minimum import Minimum
from ..minimum import rank as rank_of
from ..optimiser import SGD, Optimiser, epoch_length, matrix_family, probabilities


@dataclass(frozen=True)
class Bound:
    """A bound on the exponent in nats per step (strict or not) and a proof in the sense of FORMAT.md, still to be checked."""

    value: Fraction
    proof: Proof
    strict: bool = False


@dataclass(frozen=True)
class Finding:
    """What a method found: bounds, perhaps an exact expression; or, with neither bound, the reason why not."""

    reason: str
    lower: Bound | None = None
    upper: Bound | None = None
    expression: str | None = None

    @property
    def decides_sign(self) -> bool:
        """Whether the bounds, once proved, decide the sign."""
        if self.lower and self.upper and self.lower.value == self.upper.value == 0:
            return True
        below = self.upper and (self.upper.value < 0 or (self.upper.value == 0 and self.upper.strict))
        above = self.lower and (self.lower.value > 0 or (self.lower.value == 0 and self.lower.strict))
        return bool(below or above)

    def per_step(self, period: int) -> Finding:
        """What is known about a family whose members are `period` steps each, per step."""
        if period == 1:
            return self
        lower, upper = (bound and replace(bound, value=bound.value / period) for bound in (self.lower, self.upper))
        expression = self.expression if self.expression in (None, "0", "-oo") else f"({self.expression})/{period}"
        return Finding(self.reason, lower, upper, expression)

    def reaches(self, width: Fraction | None) -> bool:
        """Whether the goal is met: the sign (width None), or the sign and an enclosure of that width (an exact -infinity is one)."""
        if width is None or self.expression == "-oo":
            return self.decides_sign
        return bool(self.decides_sign and self.lower and self.upper and self.upper.value - self.lower.value <= width)


@dataclass(frozen=True)
class Question:
    """The exponent of an optimiser at a minimum (restricted to a component of samples), or of a family of matrices.

    `width`: None asks for the sign only. `time_limit` in seconds is shared by the searches. `progress` gets one line of text at a time.
    `without` names methods that the engine leaves out, so that a second proof shares nothing with the first.
    """

    minimum: Minimum | None
    optimiser: Optimiser | None
    matrices: MatrixFamily | None = None
    samples: tuple[int, ...] | None = None
    width: Fraction | None = None
    deadline: float = field(default_factory=lambda: time.monotonic() + 20)
    seed: int = 0
    progress: Callable[[str], None] | None = None
    without: frozenset[str] = frozenset()

    @cached_property
    def family(self) -> MatrixFamily:
        """The exact family; raises `InputError` where there are too many batches to write it down."""
        if self.matrices is not None:
            return self.matrices
        assert self.minimum is not None
        assert self.optimiser is not None
        return matrix_family(self.minimum, self.optimiser, self.samples)

    @property
    def why_no_family(self) -> str:
        """Empty, or why the exact family is not available."""
        try:
            self.family  # noqa: B018 (cached: the point is the error)
        except InputError as error:
            return str(error)
        return ""

    @property
    def indices(self) -> tuple[int, ...]:
        """The samples asked about."""
        assert self.minimum is not None
        return tuple(range(self.minimum.size)) if self.samples is None else self.samples

    @cached_property
    def rank(self) -> int:
        """The dimension of the span of the gradients asked about."""
        if self.matrices is not None:
            return self.matrices.dimension
        assert self.minimum is not None
        return self.minimum.rank if self.samples is None else rank_of(self.minimum.block(self.samples))

    @property
    def dimension(self) -> int:
        """d, the dimension on which the steps act: the rank, doubled by momentum, whose state is (r_n, r_(n-1))."""
        return self.rank * (2 if self.optimiser is not None and self.optimiser.momentum else 1)

    @property
    def period(self) -> int:
        """How many steps a member of the family is: N/B for reshuffled epochs, else 1."""
        return 1 if self.minimum is None else epoch_length(self.optimiser, self.minimum.size)

    @property
    def plain(self) -> bool:
        """SGD with independent batches, one output, neither momentum nor weight decay: the setting of E3 to E7."""
        return self.minimum is not None and self.minimum.outputs == 1 and isinstance(self.optimiser, SGD) and self.optimiser.plain

    @property
    def single_draws(self) -> bool:
        """Plain SGD with batch 1."""
        return self.plain and isinstance(self.optimiser, SGD) and self.optimiser.batch == 1

    @cached_property
    def step_sizes_times_norms(self) -> dict[int, Fraction]:
        """c_i = eta K_ii for the samples with a gradient (one output)."""
        assert self.minimum is not None
        assert self.optimiser is not None
        return {i: self.optimiser.step_size * self.minimum.gram[i][i] for i in self.indices if self.minimum.gram[i][i]}

    @property
    def draw_probabilities(self) -> dict[int, Fraction]:
        """p_i for the samples with a gradient."""
        assert self.minimum is not None
        assert self.optimiser is not None
        p = probabilities(self.optimiser, self.minimum.size)
        return {i: p[i] for i in self.step_sizes_times_norms}

    @property
    def fine_width(self) -> Fraction:
        """The width at which exact values are enclosed."""
        return self.width if self.width is not None else Fraction(1, 10**12)

    @property
    def seconds_left(self) -> float:
        """Time until the deadline."""
        return self.deadline - time.monotonic()

    def say(self, text: str) -> None:
        """Report progress."""
        if self.progress:
            self.progress(text)
