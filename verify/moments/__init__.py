"""Moments of products of steps: L(p) = lim (1/n) log E||A^n||^p, what follows from it, and the fluctuations around lambda.

`moment`, `mean_square_step_size`, `escape_exponent` and `joint_spectral_radius` prove bounds where they can; `growth_variance`, `lyapunov_spectrum` and
`cloned_moment` are statistical. All answers say which they are (`Bounds.rigour`).
"""

from .cloning import cloned_moment
from .escape import escape_exponent
from .function import moment
from .growth import Spectrum, growth_variance, lyapunov_spectrum
from .radius import joint_spectral_radius
from .result import Bounds, Rigour
from .step_size import mean_square_step_size

__all__ = [
    "Bounds",
    "Rigour",
    "Spectrum",
    "cloned_moment",
    "escape_exponent",
    "growth_variance",
    "joint_spectral_radius",
    "lyapunov_spectrum",
    "mean_square_step_size",
    "moment",
]
