"""The words and the JSON (verify/JSON.md) of a network's analysis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..report.text import Section, optimiser_json, optimiser_words
from ..result import Estimate, Exponent, Sign
from .kernel import Kernel
from .loss import KINDS

if TYPE_CHECKING:
    from .analysis import NetworkAnalysis

LABELS = {
    "nonexpansive": "2/max K_ii",
    "mean_square": "eta_ms",
    "sgd": "SGD",
    "determinant": "eta_det",
    "gd": "GD 2N/kappa_max",
}


def analysis_sections(found: NetworkAnalysis) -> list[Section]:
    """The report of `sgd-verify network`."""
    kernel, w = found.kernel, found.interpolation
    minimum = Section(
        f"{found.name}: N = {kernel.size} samples, q = {kernel.outputs} output{'s' * (kernel.outputs > 1)}, D = {kernel.parameters} parameters",
        (
            ("optimiser", optimiser_words(found.optimiser)),
            ("loss", f"{found.loss.kind}, {KINDS[found.loss.kind]}; {found.loss.reduction} over a batch"),
            ("convention", f"theory's step size = {found.factor} x the optimiser's" if found.factor != 1 else "the theory's"),
            ("residual", f"max |F - z| = {w.largest:.3g}, rms {w.rms:.3g}; targets' scale {w.scale:.3g}, tolerance {w.tolerance:g} of it"),
            ("gradient", f"|grad L| = {w.gradient:.3g}; an exact minimum is {w.distance:.3g} away, to first order"),
        ),
    )
    found_kernel = Section(
        "K, the Gram matrix of the gradients (measured, floating point)",
        (
            ("eigenvalues", f"{_spectrum(kernel)}, each known to {kernel.margin:.2g}"),
            ("condition", f"{kernel.condition:.3g}" if math.isfinite(kernel.condition) else "K is singular up to rounding"),
            ("rank", f"{kernel.rank} of {len(kernel.gram)}"),
            ("K_ii", f"{kernel.diagonal.min():.6g} to {kernel.diagonal.max():.6g}"),
            ("components", f"{len(kernel.components)} of the graph of K"),
        ),
    )
    exponents = Section(
        f"Exponents at step size {found.optimiser.step_size} (nats per step; estimates)",
        (("mu", _exponent(found.mu, None, "")), ("lambda", _exponent(found.lambda_, found.lambda_sign, found.lambda_why))),
    )
    sizes = found.step_sizes
    lines = [(label, str(getattr(sizes, key))) for key, label in LABELS.items()] if sizes is not None else [("", "not asked for")]
    thresholds = Section("Step sizes at which stability changes (in the optimiser's own step size)", tuple(lines))
    verdicts = []
    for verdict in found.verdicts:
        told = [("", verdict.words), *(("", f"{h}") for h in verdict.hypotheses)]
        told += [("", verdict.reason)] if verdict.decided else []
        told += [("", verdict.extension)] if verdict.extension else []
        verdicts.append(Section(f"{verdict.statement} for {verdict.optimiser} (an estimate under the hypotheses below, not a proof)", tuple(told)))
    return [minimum, found_kernel, exponents, thresholds, *verdicts]


def analysis_json(found: NetworkAnalysis) -> dict[str, Any]:
    """Stable keys, documented in verify/JSON.md."""
    kernel, w, seen = found.kernel, found.interpolation, found.smoothness
    kinks = [
        {"operation": k.name, "count": k.count, "distance": _finite(k.distance), "units": k.units, "dead": k.dead, "ties": k.ties} for k in seen.kinks
    ]
    return {
        "name": found.name,
        "samples": kernel.size,
        "outputs": kernel.outputs,
        "parameters": kernel.parameters,
        "optimiser": optimiser_json(found.optimiser),
        "loss": {"kind": found.loss.kind, "reduction": found.loss.reduction, "factor": str(found.factor)},
        "minimum": {key: _finite(getattr(w, key)) for key in ("largest", "rms", "scale", "tolerance", "gradient", "distance")},
        "kernel": {
            "accuracy": kernel.accuracy,
            "margin": kernel.margin,
            "rank": kernel.rank,
            "condition": _finite(kernel.condition),
            "eigenvalues": [float(x) for x in kernel.eigenvalues],
            "diagonal": [float(x) for x in kernel.diagonal],
            "components": [list(c) for c in kernel.components],
        },
        "smoothness": {"kinks": kinks, "unknown": list(seen.unknown), "radius": _finite(seen.radius), "mismatch": seen.mismatch},
        "step_sizes": None if found.step_sizes is None else found.step_sizes.to_json(),
        "mu": found.mu.to_json(),
        "lambda": found.lambda_.to_json(),
        "lambda_sign": found.lambda_sign.value,
        "lambda_why": found.lambda_why,
        "verdicts": [verdict.to_json() for verdict in found.verdicts],
        "decided": found.decided,
    }


def _spectrum(kernel: Kernel) -> str:
    kappa = [f"{x:.4g}" for x in kernel.eigenvalues]
    return ", ".join(kappa if len(kappa) <= 8 else [*kappa[:3], "...", *kappa[-3:]])


def _exponent(value: Exponent, sign: Sign | None, why: str) -> str:
    number = f"{value.value:.6g} +- {value.half_width:.1g}" if isinstance(value, Estimate) else str(value)
    if sign is None:
        return f"{number} (floating-point eigenvalues)"
    confidence = f" ({100 * value.confidence:g} % confidence)" if isinstance(value, Estimate) else ""
    return f"{number}{confidence}; sign {sign.value}: {why}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
