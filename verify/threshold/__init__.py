"""Critical step sizes: of SGD (`search`), of the mean square (`mean_square`), the bracket E6 that holds them (`bracket`), and the set {lambda < 0} as ranges
of step sizes that are proved as a whole (`stability_set`, with proofs from `range_proof` and `loosened`); `box` does the same for boxes of kernels."""

from .search import NotFound, Threshold, threshold

__all__ = ["NotFound", "Threshold", "threshold"]
