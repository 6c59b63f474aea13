"""Loss conventions. The theory's is L_i = (1/2) |F(w, y_i) - z_i|^2 and the mean over the batch; others run the same steps at another step size.

A gradient of L_i is `factor` times the theory's g_i (F - z_i). With that factor f, step size eta and weight decay omega the step is the theory's with step size
f eta and weight decay omega / f; thresholds found in the theory's units are divided by f.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from ..exact import InputError
from ..optimiser import GradientDescent, Optimiser

KINDS = {
    "half_squared": "(1/2) |F - z|^2",
    "squared": "|F - z|^2",
    "mean_squared": "|F - z|^2 / q, the mean over the q outputs",
}
REDUCTIONS = ("mean", "sum")
AnyOptimiser = TypeVar("AnyOptimiser", bound=Optimiser)


@dataclass(frozen=True)
class Loss:
    """What is minimised: `kind` is the loss of a sample, `reduction` ("mean", "sum") how the losses of a batch are put together."""

    kind: str
    reduction: str = "mean"

    def __post_init__(self) -> None:
        """Raises `InputError` for a convention that is not known."""
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            known = "; ".join(f'"{name}" is {formula}' for name, formula in KINDS.items())
            raise InputError(f"loss = {self.kind!r} is not known: {known}. A wrong convention changes every threshold, so there is no default")
        if not isinstance(self.reduction, str) or self.reduction not in REDUCTIONS:
            raise InputError(f'reduction = {self.reduction!r} is not known; write "mean" or "sum" (over the samples of a batch)')

    def value(self, residuals: Any) -> Any:
        """The loss of a batch from its residuals F - z, (B, q); differentiable by JAX."""
        squares = {"half_squared": 0.5 * (residuals**2).sum(-1), "squared": (residuals**2).sum(-1), "mean_squared": (residuals**2).mean(-1)}[self.kind]
        return squares.mean() if self.reduction == "mean" else squares.sum()

    def factor(self, outputs: int, batch: int) -> Fraction:
        """f: the batch's gradient is f times the mean over the batch of g_i (F - z_i)."""
        one = {"half_squared": Fraction(1), "squared": Fraction(2), "mean_squared": Fraction(2, outputs)}[self.kind]
        return one * (batch if self.reduction == "sum" else 1)

    def factor_of(self, optimiser: Optimiser, outputs: int, size: int) -> Fraction:
        """f for the batches of an optimiser on N = `size` samples."""
        return self.factor(outputs, size if isinstance(optimiser, GradientDescent) else optimiser.batch)

    def in_theory(self, optimiser: AnyOptimiser, outputs: int, size: int) -> AnyOptimiser:
        """The optimiser that makes the same steps in the theory's convention."""
        f = self.factor_of(optimiser, outputs, size)
        return replace(optimiser, step_size=optimiser.step_size * f, weight_decay=optimiser.weight_decay / f)


def loss_of(loss: Any, reduction: str | None = None) -> Loss:
    """A `Loss`, given as one or by the name of its kind (then with `reduction`, by default the mean over the batch).

    Raises `InputError` for what is no loss, None too, and for a `Loss` beside another reduction than its own.
    """
    if not isinstance(loss, Loss):
        return Loss(loss, "mean" if reduction is None else reduction)
    if reduction not in (None, loss.reduction):
        raise InputError(f"reduction = {reduction!r} contradicts loss = {loss}; leave it out, or write loss = {loss.kind!r}")
    return loss
