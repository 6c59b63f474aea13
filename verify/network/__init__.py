"""Real networks: lambda at a minimum of any JAX model, and SGD for real around it. Needs the extra `network` (JAX); double precision throughout."""

from .analysis import NetworkAnalysis, analyse_kernel, analyse_minimum, analyse_network
from .batch_norm import BatchNetwork, BatchNormMLP
from .certified import certified_sign, enclosed_minimum
from .correlation import rank_correlations
from .descent import Descent
from .escape import escape_exponent_of, power_law, scaled_copies
from .fates import run_to_end
from .levenberg_marquardt import interpolate, teacher
from .limits import limit_points
from .loss import Loss
from .minimum import NetworkMinimum, example
from .model import Network
from .paired import paired_check
from .radius_ladder import measured_rate, radius_ladder, threshold_ladders
from .selection import SelectionTask, selected, selection_run, t2_prime
from .stationary import stationary_runs
from .training import polished, train
from .variants import VARIANTS, Experiment, Variant

__all__ = [
    "VARIANTS",
    "BatchNetwork",
    "BatchNormMLP",
    "Descent",
    "Experiment",
    "Loss",
    "Network",
    "NetworkAnalysis",
    "NetworkMinimum",
    "SelectionTask",
    "Variant",
    "analyse_kernel",
    "analyse_minimum",
    "analyse_network",
    "certified_sign",
    "enclosed_minimum",
    "escape_exponent_of",
    "example",
    "interpolate",
    "limit_points",
    "measured_rate",
    "paired_check",
    "polished",
    "power_law",
    "radius_ladder",
    "rank_correlations",
    "run_to_end",
    "scaled_copies",
    "selected",
    "selection_run",
    "stationary_runs",
    "t2_prime",
    "teacher",
    "threshold_ladders",
    "train",
]
