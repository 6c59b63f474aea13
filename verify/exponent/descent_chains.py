"""Monte Carlo chains of the optimisers beyond plain SGD: heavy ball, weight decay, reshuffled epochs, vector outputs. Steps cost O(N) for each drawn row of K.

The components of the graph on the rows of K (finer than on the samples: rows of one sample that do not interact move apart, by the same draws) are run one by
one and lambda is the maximum, as in `chains`. For reshuffled epochs the chains move by whole epochs and the growth is divided by N/B.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exact import InputError
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import SGD, GradientDescent, Optimiser, epoch_length, probabilities
from ..result import as_float
from .blocks import Block, Floats, components, gram_block
from .chains import Chains, Part, chain_count, expected_log, multiplicities, spacing

BURN = 20


@dataclass(frozen=True)
class DescentProblem:
    """Everything that does not depend on the step size; `at` makes the parts, as `SGDProblem` does."""

    blocks: tuple[Block, ...]
    probabilities: Floats
    outputs: int
    batch: int
    replacement: bool
    period: int
    momentum: float
    weight_decay: float

    @classmethod
    def build(cls, minimum: Minimum | MeasuredMinimum, optimiser: Optimiser) -> DescentProblem:
        """For any optimiser; raises `InputError` where every gradient is zero."""
        k = minimum.gram_floats() if isinstance(minimum, Minimum) else minimum.gram
        size = minimum.size
        blocks = tuple(gram_block(k[np.ix_(rows, rows)], rows) for rows in components(np.ascontiguousarray(np.diag(k)), lambda i: k[i]))
        if not blocks:
            raise InputError("every gradient is zero: there is no direction to measure; give a Gram matrix that is not zero")
        batch = size if isinstance(optimiser, GradientDescent) else optimiser.batch
        replacement = isinstance(optimiser, SGD) and (optimiser.replacement or batch == 1)
        p = np.array([as_float(x) for x in probabilities(optimiser, size)])
        period, beta, omega = epoch_length(optimiser, size), as_float(optimiser.momentum), as_float(optimiser.weight_decay)
        return cls(blocks, p / p.sum(), minimum.outputs, batch, replacement, period, beta, omega)

    @property
    def key(self) -> tuple[Any, ...]:
        """Everything that a run at a step size depends on."""
        scheme = (self.outputs, self.batch, self.replacement, self.period, self.momentum, self.weight_decay)
        return (*(array for block in self.blocks for array in (block.samples, block.rows)), self.probabilities, *scheme)

    def at(self, step_size: float, seed: int) -> list[Part]:
        """The parts at one step size. The same seed draws the same samples whatever the step size."""
        largest = max(float(block.norms.max()) for block in self.blocks) + self.weight_decay
        if not 0 < step_size < math.inf or step_size * largest > 1e150:
            raise InputError(f"step_size = {step_size} must be positive, and step_size times the largest K_ii + omega ({largest:.3g}) at most 1e150")
        return [self._part(block, step_size, seed ^ (index * 0x9E3779B97F4A7C15)) for index, block in enumerate(self.blocks)]

    def _part(self, block: Block, eta: float, seed: int) -> Part:
        from . import kernels
        from .descent_kernel import descent

        size = len(self.probabilities)
        first = np.searchsorted(block.samples, np.arange(size + 1) * self.outputs)  # `samples` of a block are rows of K here
        owners = np.flatnonzero(np.diff(first))
        stay = 1 + self.momentum - eta * self.weight_decay
        if len(block.samples) == 1 and not self.momentum:
            return Part(exact=self._one_row(eta * float(block.norms[0]) / self.batch, stay, float(self.probabilities[owners[0]])))
        state = block.start(chain_count(block.dimension), seed)
        state = np.hstack([state, state]) if self.momentum else state
        gap = self._gap(eta * np.add.reduceat(block.norms, first[owners]), stay, state.shape[1])
        order = np.tile(np.arange(1 if self.replacement else size), (len(state), 1))
        burn = BURN if self.period > 1 else int(BURN * len(owners) / min(self.batch, len(owners)) / (1 - self.momentum))
        kernel = descent(block.factor, bool(self.momentum))
        scheme = (eta / self.batch, stay, self.momentum, first, *kernels.alias_table(self.probabilities), self.batch, self.replacement, self.period, gap)
        move = functools.partial(kernel, block.rows, *scheme)
        cost = self.period * (1 + block.factor) * (1 + self.batch * self.outputs) * block.dimension
        return Part(chains=Chains(move, state, seed, gap if self.period == 1 else 1, burn, cost, extra=(order,)), scale=1 / self.period, block=block)

    def _one_row(self, c: float, stay: float, chance: float) -> float:
        """E log |stay - c m| for one row of K alone, m the number of times that its sample is drawn."""
        if self.period > 1:
            return expected_log(np.array([1 - 1 / self.period, 1 / self.period]), np.array([stay, stay - c]))
        counts, chances = multiplicities(self.batch, chance, self.replacement)
        return expected_log(chances, stay - c * counts)

    def _gap(self, pulls: Floats, stay: float, dimension: int) -> int:
        """Steps between renormalisations, from bounds of the stretch and the shrink of one step; `pulls` (samples) bound eta |G_i|, G_i = sum of g g^T.

        In the metric of the span of the gradients S = stay - eta G, 0 <= G <= max G_i, and for batch 1 with one output stay and stay - eta K_ii are its
        singular values; [[S, -beta], [I, 0]] has norm at most |S| + 1 + beta and its inverse at most (1 + |S|)/beta + 1.
        """
        factors = np.append(stay - pulls, stay)
        stretch, down = float(np.abs(factors).max()), float(np.abs(factors).min())
        if self.momentum:
            return spacing(stretch + 1 + self.momentum, 1 / ((1 + stretch) / self.momentum + 1), dimension)
        if (self.batch > 1 or self.outputs > 1) and factors.min() < 0 < factors.max():
            down = 0.0
        return spacing(max(1.0, stretch), min(1.0, down), dimension)
