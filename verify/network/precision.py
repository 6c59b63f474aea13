"""Double precision for one call at a time: JAX computes in single precision unless a process-wide switch is set, which is the user's to set, not ours."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..exact import InputError

Function = TypeVar("Function", bound=Callable[..., Any])


def jax_module() -> Any:
    """JAX, or an `InputError` that says how to get it."""
    try:
        import jax
    except ImportError:
        raise InputError('networks need JAX; install it with: pip install "sgd-verify[network]"') from None
    return jax


def double_precision(function: Function) -> Function:
    """Run `function` with JAX's 64-bit types switched on, in this thread and for this call only."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with jax_module().enable_x64(True):
            return function(*args, **kwargs)

    return cast(Function, inside)


def single_precision(**arrays: Any) -> str:
    """What an error about a residual adds where some arrays (or pytrees of them) are in single precision, else nothing."""
    found = [name for name, tree in arrays.items() if any("float32" in str(getattr(leaf, "dtype", "")) for leaf in jax_module().tree.leaves(tree))]
    return f"; {' and '.join(found)} came as float32, whose rounding alone gives residuals near 1e-7: use float64" if found else ""
