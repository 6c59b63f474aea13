"""A JAX program as the function that it denotes, whatever gradients its author declares, and two patterns in it that are smooth as wholes.

`plain` leaves out calls and custom derivative rules and takes `stop_gradient` as the identity. `cancelling` finds the maxima that cancel: softmax and
logsumexp subtract the largest entry and give the shift back. `is_logaddexp` recognises the smooth function that JAX writes with a maximum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .precision import jax_module

CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
         "custom_vjp_call": "call_jaxpr", "remat2": "jaxpr", "remat": "jaxpr", "checkpoint": "jaxpr"}  # fmt: skip
DECLARING = frozenset(("custom_jvp_call", "custom_vjp_call", "stop_gradient"))


def inner(eqn: Any) -> tuple[Any, Sequence[Any]]:
    """The program of a call, and its constants."""
    program = eqn.params[CALLS[eqn.primitive.name]]
    return (program.jaxpr, program.consts) if hasattr(program, "consts") else (program, ())


def declares_gradients(jaxpr: Any) -> bool:
    """Whether a derivative may be other than that of the operations: a custom rule or stop_gradient anywhere."""
    from jax.extend.core import jaxprs_in_params

    return any(e.primitive.name in DECLARING or any(map(declares_gradients, jaxprs_in_params(e.params))) for e in jaxpr.eqns)


def live(jaxpr: Any, wanted: Sequence[bool]) -> set[Any]:
    """The variables that the wanted results depend on."""
    from jax.extend.core import Literal

    found = {v for v, w in zip(jaxpr.outvars, wanted, strict=True) if w and not isinstance(v, Literal)}
    for eqn in reversed(jaxpr.eqns):
        if any(v in found for v in eqn.outvars):
            found.update(v for v in eqn.invars if not isinstance(v, Literal))
    return found


def plain(closed: Any) -> Any:
    """The closed program without calls (but for logaddexp), custom derivative rules and stop_gradient, in loops and branches too."""
    avals = [jax_module().ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in closed.jaxpr.invars]
    return jax_module().make_jaxpr(lambda *args: _plainly(closed.jaxpr, closed.consts, args))(*avals)


def _plainly(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    from jax.extend.core import Literal

    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    for eqn in jaxpr.eqns:
        ins = [v.val if isinstance(v, Literal) else known[v] for v in eqn.invars]
        name = eqn.primitive.name
        if is_logaddexp(eqn):
            outs = [jax_module().numpy.logaddexp(*ins)]
        elif name in CALLS:
            outs = _plainly(*inner(eqn), ins)
        elif name == "stop_gradient":
            outs = ins
        else:
            outs = bound(eqn, ins, _looked_through(name, eqn.params))
        known.update(zip(eqn.outvars, outs, strict=True))
    return [v.val if isinstance(v, Literal) else known[v] for v in jaxpr.outvars]


def _looked_through(name: str, params: dict[str, Any]) -> dict[str, Any]:
    if name == "scan":
        return params | {"jaxpr": plain(params["jaxpr"])}
    return params | {"branches": tuple(map(plain, params["branches"]))} if name == "cond" else params


def bound(eqn: Any, values: Iterable[Any], params: dict[str, Any] | None = None) -> list[Any]:
    """The results of one operation, with other parameters if given."""
    own = eqn.primitive.get_bind_params(eqn.params if params is None else params)
    subfuns, own = own if isinstance(own, tuple) else ((), own)  # a pair until JAX 0.9
    result = eqn.primitive.bind(*subfuns, *values, **own)
    return list(result) if eqn.primitive.multiple_results else [result]


def is_logaddexp(eqn: Any) -> bool:
    """Whether an operation is the program that `jax.numpy.logaddexp` is written as, wiring and all."""
    if eqn.primitive.name != "custom_jvp_call":
        return False
    program, consts = inner(eqn)
    shapes = [jax_module().ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in program.invars]
    if consts or len(shapes) != 2 or not all(np.issubdtype(s.dtype, np.floating) for s in shapes):
        return False
    found = jax_module().make_jaxpr(jax_module().numpy.logaddexp)(*shapes).jaxpr
    while len(found.eqns) == 1 and found.eqns[0].primitive.name in CALLS:
        found = inner(found.eqns[0])[0]
    return str(found) == str(program)


# --- maxima that cancel --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shift:
    """How a value v depends on a maximum m while the rest is kept: v0 + times m or, as a `factor`, v0 exp(times m). `dims[k]`: the dimension of m that
    dimension k of v runs along, None where m does not vary along it. `finite`: v only says whether m is finite."""

    dims: tuple[int | None, ...]
    times: int = 1
    factor: bool = False
    finite: bool = False


class _Leak(Exception):
    """The result depends on m in a way that is not known to cancel."""


def cancelling(jaxpr: Any) -> set[Any]:
    """The results m of `reduce_max` on which no output depends at all: d(output)/dm = 0 identically, by the rules of exp, log, sums and quotients."""
    needed = live(jaxpr, [True] * len(jaxpr.outvars))
    eqns = [e for e in jaxpr.eqns if any(v in needed for v in e.outvars)]
    return {e.outvars[0] for k, e in enumerate(eqns) if e.primitive.name == "reduce_max" and _cancels(e.outvars[0], eqns[k + 1 :], jaxpr.outvars)}


def _cancels(m: Any, eqns: Sequence[Any], results: Sequence[Any]) -> bool:
    from jax.extend.core import Literal

    known: dict[Any, _Shift] = {m: _Shift(_varying(range(m.aval.ndim), m.aval.shape))}
    constants: dict[Any, float] = {}  # values that are one number everywhere, as far as needed

    def constant(v: Any) -> float | None:
        return float(v.val) if isinstance(v, Literal) and np.ndim(v.val) == 0 else None if isinstance(v, Literal) else constants.get(v)

    for eqn in eqns:
        shifts = [None if isinstance(v, Literal) else known.get(v) for v in eqn.invars]
        numbers = [constant(v) for v in eqn.invars]
        if any(shifts):
            try:
                shift = _shifted(eqn, shifts, numbers)
            except _Leak:
                return False
            if shift is not None and (shift.times or shift.finite):
                known[eqn.outvars[0]] = shift
        elif eqn.primitive.name in ("broadcast_in_dim", "convert_element_type", "reshape") and numbers[0] is not None:
            constants[eqn.outvars[0]] = numbers[0]
    return not any(not isinstance(v, Literal) and v in known for v in results)


def _varying(dims: Iterable[int | None], shape: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(None if n == 1 else d for d, n in zip(dims, shape, strict=True))


def _shifted(eqn: Any, shifts: Sequence[_Shift | None], numbers: Sequence[float | None]) -> _Shift | None:
    """The dependence of the result on m; None: there is none. Raises `_Leak`."""
    name, params, out = eqn.primitive.name, eqn.params, eqn.outvars[0].aval
    if name == "select_n":
        return _selected(shifts, numbers)
    if any(s is not None and s.finite for s in shifts):
        raise _Leak
    spread = [s if s is None or s.dims else replace(s, dims=(None,) * out.ndim) for s in shifts]
    if name == "max" and any(c == -math.inf for c in numbers):
        return next(s for s in spread if s is not None)
    if name in ("add", "add_any", "sub", "mul", "div") and len({s.dims for s in spread if s is not None}) == 1:
        factor = name in ("mul", "div")
        if any(s is not None and s.factor is not factor for s in spread):
            raise _Leak
        left, right = (s.times if s is not None else 0 for s in spread)
        whole = next(s for s in spread if s is not None)
        return replace(whole, times=left - right if name in ("sub", "div") else left + right)
    s = spread[0]
    if s is None or len(spread) > 1:
        raise _Leak
    old = shifts[0] or s
    if name == "exp" and not s.factor:
        return replace(s, factor=True)
    if name == "log" and s.factor:
        return replace(s, factor=False)
    if name == "neg":
        return s if s.factor else replace(s, times=-s.times)
    if name == "copy" or (name == "abs" and s.factor):
        return s
    if name == "is_finite" and not s.factor:
        return replace(s, finite=True)
    if name == "broadcast_in_dim":
        place = dict(zip(params["broadcast_dimensions"], old.dims, strict=True))
        return replace(s, dims=tuple(place.get(k) for k in range(out.ndim)))
    if name == "reduce_sum" and s.factor and all(old.dims[k] is None for k in params["axes"]):
        return replace(s, dims=tuple(d for k, d in enumerate(old.dims) if k not in params["axes"]))
    if name in ("reshape", "squeeze", "expand_dims"):
        kept = [(d, n) for d, n in zip(old.dims, eqn.invars[0].aval.shape, strict=True) if n != 1]
        if [n for _, n in kept] == [n for n in out.shape if n != 1] and not (name == "reshape" and params["dimensions"]):
            rest = iter(d for d, _ in kept)
            return replace(s, dims=tuple(None if n == 1 else next(rest) for n in out.shape))
    raise _Leak


def _selected(shifts: Sequence[_Shift | None], numbers: Sequence[float | None]) -> _Shift:
    """select_n: by whether m is finite (it is), or between multiples of one power of exp m, of which 0 is one."""
    which, *cases = shifts
    if which is not None:
        if which.finite and cases[0] is None and cases[1] is not None and not cases[1].factor:
            return cases[1]
        raise _Leak
    found = {c for c in cases if c is not None}
    if len(found) != 1 or not all(c is not None or number == 0 for c, number in zip(cases, numbers[1:], strict=True)):
        raise _Leak
    whole = found.pop()
    if not whole.factor:
        raise _Leak
    return whole
