"""Models whose output for a sample depends on its batch, g(params, batch) -> (B,) or (B, q): batch norm in training mode.

A batch is taken for one input with B q outputs, so that everything here for networks serves: K has blocks of the batch Jacobian, and a step on the batch S is
A_S = I - (eta/B) K E_S E_S^T. Which batches there are decides what is asked:
- a fixed partition (`partition`), drawn block by block or in epochs: a sample has one residual, a common zero exists as for an ordinary network;
- all C(N, B) subsets (`subsets`): each imposes its own B equations, and SGD with random batches has a common fixed point only where all of them hold;
- a common zero may be impossible: with batch norm right before an affine readout the outputs of every batch have the mean c, the bias (up to a fixed shift), so
  all target means must agree, and else the loss over random batches stays above (1/2) Var_S(mean of the targets in S) (`readout_floor`).
T2 is stated for one output per sample and one sample per step: in training mode all of this is an extension. In evaluation mode the statistics are constants
(`BatchNormMLP.evaluation`), the network is an ordinary one and T2 applies.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from .loss import Loss, loss_of
from .minimum import NetworkMinimum
from .model import Floats, Network
from .precision import double_precision, jax_module

Batches = NDArray[np.int64]
MOST = 100_000
TRAINING = "extension: in training mode a batch is one sample with B outputs, and T2 is stated for one output per sample"


class BatchNetwork(Network):
    """g on the given batches (m, B) of the inputs; N = m in all that a `Network` does, with B q outputs each."""

    batches: Batches
    samples: int

    def __init__(self, g: Callable[[Any, Any], Any], params: Any, inputs: Any, batches: Any) -> None:
        """Raises `InputError` as for `Network`, for batches that are not (m, B) distinct samples, and for outputs that are not (B,) or (B, q)."""
        jax = jax_module()
        leaves = jax.tree.leaves(inputs)
        self.samples = len(leaves[0]) if leaves and np.ndim(leaves[0]) else 0
        self.batches = _checked_batches(batches, self.samples)

        def one_batch(params: Any, batch: Any) -> Any:
            out = g(params, batch)
            if out.ndim not in (1, 2) or out.shape[0] != self.batch:
                raise InputError(f"g returns shape {out.shape} for a batch of {self.batch} samples; it must be ({self.batch},) or ({self.batch}, q)")
            return out.reshape(-1)

        super().__init__(one_batch, params, jax.tree.map(lambda a: np.asarray(a)[self.batches], inputs))

    @property
    def batch(self) -> int:
        """B."""
        return int(self.batches.shape[1])

    def minimum(self, w: Floats, targets: Any, loss: Loss | str = "half_squared") -> NetworkMinimum:
        """w with targets of the samples, (N,) or (N, q), or of the samples in each batch, (m, B q), such as teacher labels.

        The loss is that of a batch of samples. The optimiser of a step is then `SGD(eta)` (one batch, drawn at random) or `Reshuffled(eta)` (all in turn).
        """
        z, kind = np.asarray(targets, dtype=float), loss_of(loss)
        if z.shape != (self.size, self.outputs):
            if z.shape[:1] != (self.samples,):
                raise InputError(f"targets has shape {z.shape}; give ({self.samples}, q), one row for each sample, or {(self.size, self.outputs)}")
            z = z[self.batches].reshape(self.size, -1)
        return NetworkMinimum.of(self, w, z, BatchLoss(kind.kind, kind.reduction, self.batch))


@dataclass(frozen=True)
class BatchLoss(Loss):
    """The loss of batches whose `batch` samples come as one input with `batch` times q outputs."""

    batch: int = 1

    def value(self, residuals: Any) -> Any:
        """As for the samples one by one, (m, B q)."""
        return super().value(residuals.reshape(residuals.shape[0] * self.batch, -1))

    def factor(self, outputs: int, batch: int) -> Fraction:
        """f against the theory's convention for B q outputs, in which residuals are summed over the batch: the mean over its samples is 1/B of that."""
        return super().factor(outputs // self.batch, batch * self.batch) / self.batch


def partition(size: int, batch: int, seed: int = 0) -> Batches:
    """N = `size` samples in random order, cut into N/B batches."""
    if batch < 1 or size % batch:
        raise InputError(f"batch = {batch} does not divide the number of samples N = {size}; a partition has N/batch batches of one size")
    return np.random.default_rng(seed).permutation(size).reshape(-1, batch)


def subsets(size: int, batch: int) -> Batches:
    """All C(N, B) sets of B samples."""
    if not 1 <= batch <= size or math.comb(size, batch) * batch > MOST:
        raise InputError(f"batch = {batch} of N = {size} samples gives {math.comb(size, max(batch, 0))} sets; at most {MOST} equations are written down")
    return np.array(list(itertools.combinations(range(size), batch)))


def readout_floor(targets: Floats, batches: Batches) -> float:
    """(1/2) Var over the batches of the mean of the targets (N,) in a batch: a lower bound of the mean loss over the batches of every model whose outputs have
    the same mean c in all of them, as by Jensen the loss of S is at least (c - mean_S z)^2 / 2."""
    return float(np.asarray(targets, dtype=float).ravel()[batches].mean(1).var()) / 2


@dataclass(frozen=True)
class BatchNormMLP:
    """W2 act(batch norm of W1 x, scaled by g and shifted by b) + c, with act the tanh, or nothing (`readout`: batch norm right before the affine readout)."""

    width: int = 16
    readout: bool = False
    epsilon: float = 1e-3

    def initialise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, Any]:
        """Parameters for inputs of this shape."""
        d = math.prod(shape)
        hidden = {"W1": 1.5 * rng.standard_normal((self.width, d)) / np.sqrt(d), "g": np.ones(self.width), "b": 0.1 * rng.standard_normal(self.width)}
        return hidden | {"W2": rng.standard_normal(self.width) / np.sqrt(self.width), "c": np.zeros(())}

    def training(self, params: Any, batch: Any) -> Any:
        """The outputs (B,) with the statistics of the batch (B, ...)."""
        a = self._hidden(params, batch)
        return self._output(params, a, a.mean(0), ((a - a.mean(0)) ** 2).mean(0))

    @double_precision
    def statistics(self, params: Any, inputs: Any) -> tuple[Floats, Floats]:
        """Mean and variance of W1 x over the inputs."""
        a = np.asarray(self._hidden(params, np.asarray(inputs)))
        return a.mean(0), a.var(0)

    def evaluation(self, statistics: tuple[Floats, Floats]) -> Callable[[Any, Any], Any]:
        """f(params, x) with fixed statistics: an ordinary network."""
        return lambda params, x: self._output(params, self._hidden(params, x[None]), *statistics)[0]

    @staticmethod
    def _hidden(params: Any, batch: Any) -> Any:
        return batch.reshape(batch.shape[0], -1) @ params["W1"].T

    def _output(self, params: Any, a: Any, mean: Any, variance: Any) -> Any:
        jnp = jax_module().numpy
        hidden = (a - mean) / jnp.sqrt(variance + self.epsilon) * params["g"] + params["b"]
        return (hidden if self.readout else jnp.tanh(hidden)) @ params["W2"] + params["c"]


def _checked_batches(batches: Any, size: int) -> Batches:
    array = np.asarray(batches)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iu":
        raise InputError(f"batches has shape {array.shape} of {array.dtype}; give integers (m, B), the samples of each batch")
    if array.min() < 0 or array.max() >= size:
        raise InputError(f"batches names sample {array.max() if array.max() >= size else array.min()}; the samples are 0 to {size - 1}")
    if any(len(set(row)) < len(row) for row in array.tolist()):
        raise InputError("batches has a sample twice in one batch; its statistics would not be those of a batch")
    return array.astype(np.int64)
