"""The rules, one file each. A rule takes a `Case` and returns an `Exact` with its derivation, or raises `Refused` with the reason.

To add one: write a file with a function decorated by `@rule(...)` and import it below, cheap and decisive ones first.
"""

from __future__ import annotations

from .registry import LAMBDA, MU, Rule, rule
from . import one_dimension
from . import orthogonal
from . import deterministic
from . import components
from . import isotropic
from . import gaussian
from . import kaczmarz
from . import renewal
from . import conformal
from . import commuting
from . import triangular
from . import projective_orbit
from . import heavy_ball, mu, weight_decay

__all__ = ["LAMBDA", "MU", "Rule", "heavy_ball", "mu", "one_dimension", "rule", "weight_decay"]
