"""Strategies of small nonlinear models with an exact minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..exact import InputError
from ._numbers import rationals

if TYPE_CHECKING:
    from ..simulate import SymbolicModel

KINDS = ("product", "two-layer linear", "tanh")


@st.composite
def _model(draw: Any, kind: str, points: int, hidden: int) -> SymbolicModel:
    from ..simulate import product_model, tanh_network, two_layer_linear

    entries = rationals(-2, 2, max_digits=1).filter(bool)  # no vanishing weight: K is not zero
    if kind == "product":
        return product_model((draw(entries), draw(entries)), draw(entries))
    inputs = draw(st.lists(st.tuples(entries), min_size=points, max_size=points, unique=True))
    point = tuple(draw(entries) for _ in range(2 * hidden))
    return (two_layer_linear if kind == "two-layer linear" else tanh_network)(hidden, point, tuple(inputs))


def nonlinear_models(kind: str | None = None, *, points: int = 1, hidden: int = 1) -> SearchStrategy[SymbolicModel]:
    """`verify.simulate.SymbolicModel`s with small rational minima and scalar inputs: w1 w2 x, two-layer linear and tanh networks (default: any of them).

    The labels are those of the minimum, so that its loss is zero. `points` inputs (the product model has one), 1 to 3 `hidden` units.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"kind = {kind!r} is not a model; there are {', '.join(KINDS)}")
    if not 1 <= points <= 4 or not 1 <= hidden <= 3:
        raise InputError(f"points = {points} and hidden = {hidden}: write 1 to 4 points and 1 to 3 hidden units")
    if kind == "product" and points != 1:
        raise InputError(f"points = {points}, but the product model has one sample; write points = 1")
    kinds = [kind] if kind is not None else [k for k in KINDS if k != "product" or points == 1]
    return st.sampled_from(kinds).flatmap(lambda chosen: _model(chosen, points, hidden))
