"""The rules, one file each. A rule takes a `Case` and returns an `Exact` with its derivation, or raises `Refused` with the reason.

To add one: write a file with a function decorated by `@rule(...)` and name it in `FILES`, cheap and decisive ones first.
"""

from __future__ import annotations

from importlib import import_module

from .registry import LAMBDA, MU, Rule, rule

# Rules are tried in this order.
FILES = (
    "one_dimension",
    "orthogonal",
    "deterministic",
    "components",
    "isotropic",
    "gaussian",
    "kaczmarz",
    "renewal",
    "heavy_ball",
    "mu",
    "weight_decay",
    "conformal",
    "commuting",
    "triangular",
    "projective_orbit",
)
for name in FILES:
    import_module(f".{name}", __name__)

__all__ = ["FILES", "LAMBDA", "MU", "Rule", "rule"]
