"""What `simulate` prints for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..problem import Problem
from .text import Section, exponent_text, headline

if TYPE_CHECKING:
    from ..simulate.ladder import LadderResult
    from ..simulate.simulation import Simulation


def simulation_sections(simulation: Simulation) -> list[Section]:
    """Verdict with its error probability and model, the estimate of lambda, and the run."""
    error = simulation.error_probability
    verdict = [("verdict", simulation.verdict), ("because", simulation.reason)]
    if error is not None:
        verdict += [("error", "none in exact arithmetic" if error == 0 else f"wrong with probability at most {error:g}: statistics, not a proof")]
        verdict += [("model", simulation.model)]
    verdict += [("lambda", _rate(simulation))]
    sizes = f"{simulation.replicas} replicas of {simulation.steps} steps in the last look, {simulation.total_steps} steps in all"
    verdict += [("runs", f"{sizes}, seed {simulation.seed}")]
    seen = simulation.course
    name = {"exact": "exact rational arithmetic", "arb": f"balls of {seen.digits} digits", "float": "double precision"}[seen.arithmetic]
    run = [("what", f"{seen.coordinates}, {seen.steps} steps in {name}{'; ' + seen.note if seen.note else ''}")]
    if len(seen.points):
        (_, first), (n, last) = seen.points[0], seen.points[-1]
        run += [("log |r|", f"{first:.6g} at the start, {last:.6g} after {int(n)} steps{_end(simulation)}")]
    where = f"hit at step {seen.floor.step}: what plain double precision shows from there on is round-off" if seen.floor.hit else "not hit"
    run += [("floor", f"{seen.floor.value:.4g} in log |r| ({seen.floor.reason}); {where}")]
    notes = tuple(("", note) for note in simulation.problem.notes)
    return [Section(headline(simulation.problem), notes), Section("Does it converge?", tuple(verdict)), Section("One run", tuple(run))]


def ladder_sections(problem: Problem, result: LadderResult) -> list[Section]:
    """The rungs, and lambda at the limits."""
    limits = [(f"at {limit.distance:.4g}", f"{limit.sign.value}: {exponent_text(limit.exponent)}") for limit in result.limits]
    lines = (*limits, ("T2'", result.t2_prime))
    heading = Section(headline(problem), tuple(("", note) for note in problem.notes))
    return [heading, Section("Starts within r of x*", tuple(result.lines())), Section("lambda at the limits, by their distance from x*", lines)]


def _rate(simulation: Simulation) -> str:
    if simulation.rate == -math.inf:
        return "-infinity"
    if not math.isfinite(simulation.rate):
        return "not estimated"
    return f"{simulation.rate:.6g} +- {simulation.rate_half_width:.1g} nats per step ({100 * simulation.confidence:g} %, from the runs alone)"


def _end(simulation: Simulation) -> str:
    return ", then exactly zero" if simulation.rate == -math.inf and simulation.error_probability == 0.0 else ""
