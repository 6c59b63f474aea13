"""Real networks: lambda at a minimum of any JAX model, and SGD for real around it. Needs the extra `network` (JAX); double precision throughout."""

from .descent import Descent
from .levenberg_marquardt import interpolate, teacher
from .loss import Loss
from .minimum import NetworkMinimum, example
from .model import Network

__all__ = ["Descent", "Loss", "Network", "NetworkMinimum", "example", "interpolate", "teacher"]
