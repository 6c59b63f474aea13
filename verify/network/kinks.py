"""H1 by looking at a JAX program: which of its operations have a kink, a jump or a singularity that w can reach, and how far w* is from them.

The program of F is interpreted operation by operation, as the function that it denotes: custom derivative rules are ignored and `stop_gradient` is the
identity (`program.plain`). An operation matters if its value depends on w and reaches the result; the maximum that softmax subtracts cancels and is no kink.
Whether the gradients that were used are those of this function is looked at beside. Arguments that are positive whatever w is (1 + a square, a sum of
exponentials) keep sqrt, log and quotients smooth. Operations that are not listed here count as unknown.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .kernel import ROUNDING, SAFETY
from .model import Floats, Network
from .precision import double_precision, jax_module
from .program import CALLS, bound, cancelling, declares_gradients, inner, is_logaddexp, live, plain
from .smoothness import Bools, Kinks, Smoothness, around, first_order, mismatch

# Smooth everywhere; the last ones do not move with w, or only where a comparison does.
SMOOTH = frozenset((
    "add", "add_any", "sub", "mul", "neg", "dot_general", "conv_general_dilated", "exp", "exp2", "expm1", "tanh", "sinh", "cosh", "sin", "cos",
    "asinh", "atan", "erf", "erfc", "logistic", "square", "reshape", "transpose", "broadcast_in_dim", "squeeze", "expand_dims", "concatenate",
    "slice", "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "scatter-add", "scatter_add", "scatter_mul", "pad", "rev", "reduce_sum",
    "reduce_window_sum", "cumsum", "select_n", "copy", "iota", "split", "optimization_barrier", "is_finite",
    "stack", "unstack", "tile", "and", "or", "not", "xor", "reduce_and", "reduce_or", "reduce_prod", "cumprod",
))  # fmt: skip
COMPARISONS = frozenset(("gt", "ge", "lt", "le", "eq", "ne"))
SINGULAR = frozenset(("sqrt", "rsqrt", "log", "cbrt", "div", "pow", "log1p"))  # smooth where the argument is positive
UNLOCATED = frozenset((
    "top_k", "argsort", "reduce_window_max", "reduce_window_min", "select_and_scatter_add", "cummax", "cummin", "rem",
    "nextafter", "tan", "atan2", "acos", "asin", "acosh", "atanh", "digamma", "lgamma", "erf_inv",
))  # fmt: skip

SMOOTH_PROGRAM = "every operation of the program is smooth where it is used"
PROBES = 48
CANDIDATES = 64
SMALL = 1e7  # numbers in J up to which the whole K is computed again
EXACT = 2e8  # numbers in the gradients of all margins up to which every one is computed


@dataclass
class _Known:
    """What is known of a value: whether w moves it, and a lower bound (2: positive, 1: not negative, 0: nothing)."""

    value: Any
    moves: bool = False
    above: int = 0


@dataclass
class _Found:
    """The kinks met in one interpretation, in order, as (name, margins m or None, whether m < 0 is a flat side, m > 0 (False), or none is (None))."""

    kinks: list[tuple[str, Any, bool | None]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


@double_precision
def smoothness(network: Network, w: Floats, seed: int = 0, gram: Floats | None = None, accuracy: float = 1e-12) -> Smoothness:
    """H1 of a network, with the distances of w from the kinks. Estimates: first order in w - w*, corrected where a sample of points around w contradicts it;
    beyond `EXACT` numbers the nearest of the kinks are picked by random projections of their gradients. The gradients that were used are compared with those
    of the program itself, K = `gram` up to its accuracy."""
    jax = jax_module()
    one = network.block(slice(0, 1))
    single = jax.tree.map(lambda a: a[0], one)
    written = jax.make_jaxpr(network.function)(w, single)
    closed = plain(written)
    found = _Found()

    def margins(v: Any, x: Any) -> list[Any]:
        here = _Found()
        _run(closed.jaxpr, closed.consts, [_Known(v, True), *(_Known(a) for a in jax.tree.leaves(x))], [True] * len(closed.jaxpr.outvars), here)
        found.kinks, found.unknown = here.kinks, here.unknown
        return [m.reshape(-1) for _, m, _ in here.kinks if m is not None]

    shapes = jax.eval_shape(margins, w, single)
    kinks = [Kinks(name, 1 if m is None else math.prod(m.shape)) for name, m, _ in found.kinks]
    located = [(k, side) for k, (_, m, side) in enumerate(found.kinks) if m is not None]
    if located:
        for (k, side), parts in zip(located, _distances(margins, shapes, network, w, seed), strict=True):
            kinks[k] = kinks[k].placed(*parts, side)
    why = _other_gradients(network, closed, w, seed, gram, accuracy) if declares_gradients(written.jaxpr) else ""
    if why is None:
        found.unknown.add("a custom gradient, where the derivative of the program itself cannot be computed")
    seen = Smoothness(SMOOTH_PROGRAM, tuple(dict.fromkeys(kinks)), tuple(sorted(found.unknown)), float(np.linalg.norm(w)))
    if seen.on_a_kink:  # there the gradient is what its author says
        return seen
    return replace(seen, mismatch=why or ("" if seen.radius is None else mismatch(network, w, seen.radius, seed)))


def _other_gradients(network: Network, closed: Any, w: Floats, seed: int, gram: Floats | None, accuracy: float) -> str | None:
    """Why K, or for large models J^T u, is not that of the program itself; empty if it is, None where the latter cannot be computed."""
    from jax.extend.core import jaxpr_as_fun

    jax = jax_module()
    itself = copy.copy(network)
    for cached in ("batched", "_values", "_rows", "_pull", "_push"):
        itself.__dict__.pop(cached, None)
    itself.function = lambda v, x: jaxpr_as_fun(closed)(v, *jax.tree.leaves(x))[0]
    try:
        if network.size * network.outputs * len(w) <= SMALL:
            k, true = network.gram(w) if gram is None else gram, itself.gram(w)
            norms = np.sqrt(np.maximum(np.diag(k), np.diag(true)))
            norms[norms == 0] = 1.0
            error = float((np.abs(k - true) / norms[:, None] / norms).max())
        else:
            u = np.random.default_rng([seed, 2]).choice([-1.0, 1.0], (2, network.size, network.outputs))
            pulled = [(network.pull(w, one), itself.pull(w, one)) for one in u]
            error = max(float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0)) for a, b in pulled)
            accuracy = max(accuracy, 1e-12)
    except Exception:  # a custom rule may be there because JAX has none
        return None
    if not math.isfinite(error):
        return None
    if error <= SAFETY * max(accuracy, 2 * ROUNDING):  # what H2 and R2 allow for
        return ""
    return (f"the gradient that was used is not the derivative of F: K differs by {error:.2g} (relative) from that of the program without stop_gradient "
            "(detach) and custom gradients. K is then not the Gram matrix of F")  # fmt: skip


def _distances(
    margins: Callable[[Any, Any], list[Any]], shapes: Sequence[Any], network: Network, w: Floats, seed: int
) -> list[tuple[Floats, Floats, Bools]]:
    """For every kink m, the distance of w from m = 0 (nan: unknown, inf: further than others), and whether m did not move near w; each (N, count)."""
    jax = jax_module()
    sizes = [s.shape[0] for s in shapes]

    def joined(v: Any, x: Any) -> Any:
        return jax.numpy.concatenate(margins(v, x))

    compiled = jax.jit(jax.vmap(joined, (None, 0)))
    m = np.asarray(compiled(w, network.inputs))
    rng = np.random.default_rng(seed)
    near = np.ones(m.shape, dtype=bool)
    if m.size * len(w) <= EXACT:
        rows: Any = jax.jit(lambda x: jax.numpy.sqrt((jax.jacrev(joined)(w, x) ** 2).sum(1)))
        norms = np.stack([np.asarray(rows(network.block(i))) for i in range(network.size)])
    else:
        push: Any = jax.jit(lambda v: jax.vmap(lambda x: jax.jvp(lambda u: joined(u, x), (w,), (v,))[1])(network.inputs) ** 2)
        norms = np.sqrt(np.mean([push(rng.choice([-1.0, 1.0], len(w))) for _ in range(PROBES)], axis=0))  # Hutchinson: E (grad m . e)^2 = |grad m|^2
        near = ~(norms > 0)
        pull: Any = jax.jit(lambda x, c: jax.numpy.linalg.norm(jax.grad(lambda v: joined(v, x)[c])(w)))
        for flat in np.argsort(np.where(near, np.inf, first_order(m, norms)), axis=None)[:CANDIDATES]:
            i, c = np.unravel_index(flat, m.shape)
            norms[i, c], near[i, c] = pull(network.block(int(i)), c), True
    distance, still = around(lambda v: np.asarray(compiled(v, network.inputs)), w, m, np.where(near, first_order(m, norms), np.inf), norms == 0, rng)
    parts: list[Any] = [np.split(a, np.cumsum(sizes)[:-1], axis=1) for a in (m, distance, still)]
    return list(zip(*parts, strict=True))


# --- the interpreter -----------------------------------------------------------------------------------------------------------------------


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[_Known], live_out: Sequence[bool], found: _Found) -> list[_Known]:
    """Evaluate a jaxpr (its values may be traced) and note the kinks of what is live."""
    from jax.extend.core import Literal

    env: dict[Any, _Known] = {}

    def read(v: Any) -> _Known:
        return _constant(v.val) if isinstance(v, Literal) else env[v]

    env.update(zip(jaxpr.constvars, map(_constant, consts), strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    needed, cancelled = live(jaxpr, live_out), cancelling(jaxpr)
    for eqn in jaxpr.eqns:
        ins = [read(v) for v in eqn.invars]
        wanted = [v in needed for v in eqn.outvars]
        outs = _inside(eqn, ins, wanted, found)
        if outs is None:
            moves = any(x.moves for x in ins)
            if moves and any(wanted) and eqn.outvars[0] not in cancelled:
                _note(eqn, ins, found)
            known = not moves and not any(isinstance(x.value, jax_module().core.Tracer) for x in ins)
            with jax_module().ensure_compile_time_eval() if known else nullcontext():
                values = bound(eqn, [x.value for x in ins])
            outs = [_constant(value) if known else _Known(value, moves, _above(eqn, ins)) for value in values]
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _concrete(value: Any) -> Floats | None:
    """A value that is no tracer, as an array."""
    if isinstance(value, jax_module().core.Tracer) or not isinstance(value, int | float | np.ndarray | np.generic | jax_module().Array):
        return None
    return np.asarray(value)


def _constant(value: Any) -> _Known:
    array = _concrete(value)
    if array is None or array.dtype.kind not in "fiu" or not array.size:
        return _Known(value)
    return _Known(value, False, 2 if (array > 0).all() else 1 if (array >= 0).all() else 0)


def _inside(eqn: Any, ins: list[_Known], wanted: list[bool], found: _Found) -> list[_Known] | None:
    """The results of an operation that is a program itself; None for others, and for loops and branches, which `_note` looks into."""
    if eqn.primitive.name not in CALLS:
        return None
    program, consts = inner(eqn)
    if is_logaddexp(eqn):
        values = _run(program, consts, ins, wanted, _Found())
        return [_Known(x.value, any(a.moves for a in ins), 2 if any(a.above for a in ins) else 0) for x in values]
    return _run(program, consts, ins, wanted, found)


def _note(eqn: Any, ins: list[_Known], found: _Found) -> None:
    """Add the kinks of one operation on values that w moves."""
    jnp, name, params = jax_module().numpy, eqn.primitive.name, eqn.params
    a = ins[0] if ins else _Known(None)
    if name in ("scan", "while", "cond"):
        _note_loop(eqn, ins, found)
    elif not any(x.moves and _real(v.aval.dtype) for v, x in zip(eqn.invars, ins, strict=True)):
        return  # integers and truth values: constant but where a float was compared or rounded
    elif any(jnp.issubdtype(v.aval.dtype, jnp.complexfloating) for v in eqn.invars):
        found.unknown.add(f"{name} of complex numbers")
    elif _narrowed(eqn, ins):
        found.kinks.append((f"rounding to {eqn.outvars[0].aval.dtype}", None, None))
    elif name in ("max", "min"):
        low, high = ins
        if any(not x.moves and _infinite(x.value) for x in ins) or (name == "max" and max(low.above, high.above) == 2 and _zero(ins)):
            return
        fixed = [not x.moves for x in ins]
        margin = (high.value - low.value) if fixed[0] else (low.value - high.value)
        found.kinks.append((name, margin, (name == "max") if any(fixed) else None))
    elif name in COMPARISONS:
        if eqn.invars[0] is not eqn.invars[1]:  # x != x asks for nan
            found.kinks.append((f"comparison ({name})", a.value - ins[1].value, None))
    elif name in ("abs", "sign"):
        if a.above < 2:
            found.kinks.append((name, a.value, None))
    elif name in ("reduce_max", "reduce_min", "argmax", "argmin"):
        gap = _gap(a.value if name.endswith("max") else -a.value, params["axes"])
        found.kinks += [(name, gap, None)] if gap is not None else []
    elif name == "sort":
        single = len(ins) == 1
        found.kinks.append((name, jnp.diff(jnp.sort(a.value, params["dimension"]), axis=params["dimension"]) if single else None, None))
    elif name == "clamp":
        found.kinks += [("clamp", ins[1].value - a.value, None), ("clamp", ins[2].value - ins[1].value, None)]
    elif name in ("floor", "ceil", "round") or (name == "convert_element_type" and not _real(params["new_dtype"])):
        shift = 0.5 if name == "round" else 0.0
        found.kinks.append((name, a.value - shift - jnp.round(a.value - shift), None))
    elif name in SINGULAR or (name == "integer_pow" and params["y"] < 0):
        _note_singular(name, ins, found)
    elif name in UNLOCATED or name == "reduce_precision":
        found.kinks.append((name, None, None))
    elif name not in SMOOTH and name not in ("integer_pow", "convert_element_type"):
        found.unknown.add(name)


def _narrowed(eqn: Any, ins: list[_Known]) -> bool:
    """Whether the result has fewer digits than an operand that w moves: it is then piecewise constant in w."""
    finfo = jax_module().numpy.finfo
    digits = max(finfo(v.aval.dtype).nmant for v, x in zip(eqn.invars, ins, strict=True) if x.moves and _real(v.aval.dtype))
    return any(finfo(v.aval.dtype).nmant < digits for v in eqn.outvars if _real(v.aval.dtype))


def _real(dtype: Any) -> bool:
    """Real or complex, in any precision (NumPy knows no bfloat16)."""
    return bool(jax_module().numpy.issubdtype(dtype, jax_module().numpy.inexact))


def _note_singular(name: str, ins: list[_Known], found: _Found) -> None:
    base = ins[1] if name == "div" else ins[0]
    if name == "pow" and not base.moves and ins[1].moves and base.above < 2:  # c^w: nowhere smooth for c <= 0, and everywhere else
        jnp = jax_module().numpy
        shape = jnp.broadcast_shapes(jnp.shape(base.value), jnp.shape(ins[1].value))
        found.kinks.append(("pow of a constant at 0", jnp.broadcast_to(jnp.where(base.value > 0, jnp.inf, jnp.nan), shape), None))
    if base.moves and not base.above >= (1 if name == "log1p" else 2):
        found.kinks.append((f"{name} at {-1 if name == 'log1p' else 0}", base.value + (1.0 if name == "log1p" else 0.0), None))


def _note_loop(eqn: Any, ins: list[_Known], found: _Found) -> None:
    """Kinks inside loops and branches are named, not located; a loop whose length w decides is unknown."""
    if eqn.primitive.name == "while":
        found.unknown.add("a loop of unknown length (while)")
        return
    jax = jax_module()
    programs = eqn.params["branches"] if eqn.primitive.name == "cond" else [eqn.params["jaxpr"]]
    given = ins[1:] if eqn.primitive.name == "cond" else ins
    for program in programs:
        inner = _Found()

        def look(*values: Any, program: Any = program, inner: _Found = inner) -> None:
            args = [_Known(v, known.moves or eqn.primitive.name == "scan") for v, known in zip(values, given, strict=True)]
            _run(program.jaxpr, program.consts, args, [True] * len(program.jaxpr.outvars), inner)

        jax.eval_shape(look, *(jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in program.jaxpr.invars))
        found.kinks += [(f"{name} in a {eqn.primitive.name}", None, None) for name, _, _ in inner.kinks]
        found.unknown |= inner.unknown


def _gap(value: Any, axes: Sequence[int]) -> Any:
    """The largest minus the second largest entry along the axes; None where they hold one entry."""
    jax = jax_module()
    length = math.prod(value.shape[a] for a in axes)
    if length < 2:
        return None
    rest = [a for a in range(value.ndim) if a not in axes]
    top = jax.lax.top_k(value.transpose(*rest, *axes).reshape(-1, length), 2)[0]
    return top[:, 0] - top[:, 1]


def _infinite(value: Any) -> bool:
    array = _concrete(value)
    return array is not None and bool(np.isinf(array).all())


def _zero(ins: list[_Known]) -> bool:
    """Whether one operand is the constant zero (a maximum of it and something positive has no kink)."""
    return any((array := _concrete(x.value)) is not None and not array.any() for x in ins)


KEEP = frozenset((
    "broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "slice", "dynamic_slice", "copy", "convert_element_type", "reduce_sum",
    "reduce_max", "reduce_min", "cumsum", "rev", "stack", "tile", "sqrt", "expm1", "log1p", "tanh", "cbrt", "concatenate", "min", "select_n",
    "gather",
))  # fmt: skip


def _above(eqn: Any, ins: list[_Known]) -> int:
    """A lower bound of the result: 2 positive, 1 not negative, 0 unknown."""
    name = eqn.primitive.name
    bounds = [x.above for x in ins]
    if name in ("exp", "exp2", "logistic", "cosh", "erfc"):
        return 2
    if name in ("abs", "square") or (name == "integer_pow" and eqn.params["y"] % 2 == 0) or (name == "mul" and eqn.invars[0] is eqn.invars[1]):
        return max(1, bounds[0])
    if name in ("add", "add_any"):
        return max(bounds) if min(bounds) else 0
    if name in ("mul", "div", "pow"):
        return min(bounds)
    if name in ("dot_general", "integer_pow", "rsqrt"):
        return min(1, *bounds) if name == "dot_general" else bounds[0]
    if name == "max":
        return max(bounds)
    if name in KEEP:
        if name == "select_n":
            which = _concrete(ins[0].value)
            uniform = which is not None and which.size and (which == which.flat[0]).all()
            return bounds[1 + int(which.flat[0])] if which is not None and uniform else min(bounds[1:])
        return min(bounds[:1] if name in ("gather", "dynamic_slice") else bounds)
    return 0
