"""SGD for real: exact, arbitrary-precision and floating-point runs of linear and of small nonlinear models, with verdicts that carry an error probability."""

from .course import Course, Floor
from .ladder import LadderResult, Limit, Rung, precise_run, radius_ladder
from .model import SymbolicModel, product_model, tanh_network, two_layer_linear
from .simulation import Simulation, simulate

__all__ = [
    "Course",
    "Floor",
    "LadderResult",
    "Limit",
    "Rung",
    "Simulation",
    "SymbolicModel",
    "precise_run",
    "product_model",
    "radius_ladder",
    "simulate",
    "tanh_network",
    "two_layer_linear",
]
