"""Critical step sizes: of SGD (`search`), of the mean square (`mean_square`), and the bracket E6 that holds them (`bracket`)."""

from .search import NotFound, Threshold, threshold

__all__ = ["NotFound", "Threshold", "threshold"]
