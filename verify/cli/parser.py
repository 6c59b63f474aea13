"""The arguments of `sgd-verify`. Imports nothing heavy, so that `--help` is quick."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from ..exact import InputError, positive
from .sampling import add_sampling

EXIT_CODES = "exit codes: 0 decided, holds, found, accepted; 1 undecided, refuted, not found, rejected, or width not reached; 2 bad input or usage"


class UsageError(Exception):
    """A wrong command line; the message is one line."""


class Parser(argparse.ArgumentParser):
    """Raises instead of printing the usage, so that bad usage is one line on standard error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def build_parser() -> Parser:
    """All commands and their options."""
    from .. import __version__
    from . import commands

    parser = Parser(
        prog="sgd-verify",
        description="Certified verdicts on the stability of stochastic gradient descent at an interpolating minimum.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sgd-verify {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    def command(name: str, help: str) -> Parser:
        sub: Parser = subparsers.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=EXIT_CODES, allow_abbrev=False)
        sub.add_argument("--json", action="store_true", help="print JSON with stable keys")
        sub.set_defaults(run=getattr(commands, name.replace("-", "_")))
        return sub

    problem = "problem file (.toml or .json), or a shipped example such as example:iris-pair"
    analyse = command("analyse", "show the exponents, thresholds and verdicts of a problem")
    analyse.add_argument("problem", nargs="?", default=None, metavar="PROBLEM", help=f"{problem} (default: example:iris-pair)")
    analyse.add_argument("--figure", metavar="OUT.svg", help="draw lambda and mu against the step size (SVG)")
    _searching(analyse, "width asked of the enclosure of lambda, such as 1e-9 (default: the sign)", 20)

    exponent = command("exponent", "prove the sign of mu and lambda, or enclose lambda")
    exponent.add_argument("problem", metavar="PROBLEM", help=problem)
    exponent.add_argument("--certificate", metavar="OUT.json", help="write lambda's certificate to OUT.json and mu's to OUT.mu.json")
    exponent.add_argument("--small", action="store_true", help="look for a sign certificate of lambda that a person can check by hand (two dimensions)")
    exponent.add_argument("--digits", metavar="N", type=_count, help="enclose lambda to N digits (width 1e-N), in ball arithmetic if need be")
    exponent.add_argument("--ball-certificate", metavar="OUT.json", help="with --digits: write the certificate of the digits, whose checker needs python-flint")
    _searching(exponent, "width asked of the enclosures, such as 1e-9 (default: the signs)", 20)
    add_sampling(exponent, _count, _seconds, _confidence)

    threshold = command("threshold", "bracket a sign change of lambda, the first where that is proved (the problem's own step size is ignored)")
    threshold.add_argument("problem", metavar="PROBLEM", help=problem)
    threshold.add_argument("--set", action="store_true", help="the set of step sizes with lambda < 0: certified ranges, with gaps of at most --width (1/1000)")
    threshold.add_argument("--certificate", metavar="OUT.json", help="with --set: write the certificate of all ranges")
    _searching(threshold, "width asked of the bracket (default: about 1e-6 of the step sizes concerned, and a wider bracket counts as found)", 60)

    box = command("box", "prove one sign of lambda for every kernel within +-radius of the problem's K, entry by entry")
    box.add_argument("problem", metavar="PROBLEM", help=problem)
    box.add_argument("--radius", metavar="R", type=_radius, help="such as 1e-6 (default: the problem file's radius)")
    box.add_argument("--time-limit", metavar="S", type=_seconds, default=20.0, help="seconds for the search (default: 20)")
    box.add_argument("--certificate", metavar="OUT.json", help="write the certificate")

    closed = command("closed-form", "derive formulas for mu and lambda, with symbols where the problem file declares them")
    closed.add_argument("problem", metavar="PROBLEM", help=f"{problem}; entries may be expressions in declared symbols")
    closed.add_argument("--latex", action="store_true", help="print the formulas in LaTeX")
    closed.add_argument("--thresholds", action="store_true", help="also the step sizes at which mu and the mean square change sign, where a formula is known")
    closed.add_argument("--expansions", action="store_true", help="also lambda for small and for large step sizes, with explicit remainders")
    closed.add_argument("--at", metavar="NAME=VALUE", action="append", default=[], help="exact value for a symbol, such as eta=1/2 (repeat it for several)")
    closed.add_argument("--digits", metavar="N", type=_count, default=15, help="decimals of values at exact parameters (default: 15)")
    closed.add_argument("--certificate", metavar="OUT.json", help="write a certificate of lambda at rational parameters")

    simulate = command("simulate", "run SGD for real and test whether it converges")
    simulate.add_argument("problem", metavar="PROBLEM", help=f"{problem}; or a file with `model`, a small nonlinear model")
    simulate.add_argument("--steps", metavar="N", type=_count, help="horizon of every run (default: doubled until the verdict is reached)")
    simulate.add_argument("--seed", metavar="S", type=_seed, default=0, help="seed of all runs (default: 0)")
    simulate.add_argument("--figure", metavar="OUT.svg", help="draw log |r_n| with the line of slope lambda (SVG)")
    simulate.add_argument("--error-probability", metavar="P", type=_probability, default=1e-6, help="how often a verdict may be wrong (default: 1e-6)")
    kinds = ("auto", "exact", "arb", "float")
    simulate.add_argument("--arithmetic", choices=kinds, default="auto", help="of the replicas and of the run that is shown (default: auto)")
    simulate.add_argument("--time-limit", metavar="S", type=_seconds, default=10.0, help="seconds for the test (default: 10)")

    find = command("find", "search for the smallest problem on which a predicate holds, and certify it")
    find.add_argument("predicate", metavar="PREDICATE", help="such as \"lambda < 0 and ms > 0 and mu > 0\"; also eta, c1, k12, kappa_min, kappa_max")
    find.add_argument("--points", metavar="N", type=_count, default=2, help="number of data points, 1 to 6 (default: 2)")
    find.add_argument("--regular", action="store_true", help="only regular minima: no c_i is 1 or 2, and the graph of K is connected")
    find.add_argument("--seconds", metavar="S", type=_seconds, default=60.0, help="time for the search (default: 60)")
    find.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of the random part of the search (default: 0)")
    find.add_argument("--certificate", metavar="OUT.json", help="write the conjunction of the certificates")

    moments = command("moments", "bound the growth rates L(p) of the moments E||A^n||^p, and what follows from them")
    moments.add_argument("problem", metavar="PROBLEM", help=problem)
    moments.add_argument("--p", metavar="P", action="append", default=[], help="order, such as 4, 1/2 or --p=-1/2 (repeat it; default: 2 if alone)")
    moments.add_argument("--step-size", action="store_true", help="the mean-square step size; for batch 1 verified for up to 4096 samples")
    moments.add_argument("--escape", action="store_true", help="alpha with L(alpha) = 0: leaving from distance r has probability of order r^alpha")
    moments.add_argument("--radius", action="store_true", help="the joint spectral radius of the steps")
    moments.add_argument("--variance", action="store_true", help="the variance of log ||A^n|| per step (an estimate)")
    moments.add_argument("--spectrum", action="store_true", help="all Lyapunov exponents (estimates), with the sum rule")
    moments.add_argument("--certificate", metavar="OUT.json", help="for one even order: write the certificate of its bounds")
    _searching(moments, "width asked of L(p) and alpha (default: 1e-12 to 1e-5, by method; 1e-3 for alpha)", 20)

    statements = command("statements", "list the statements of the registry, or show one with its references and evidence")
    statements.add_argument("id", nargs="?", metavar="ID", help="such as T2, E7 or F-jsr (default: list all)")

    check = command("check", "put a statement to work on a problem: holds, hypothesis fails, refuted or undecided")
    check.add_argument("id", metavar="ID", help="such as T3 or E5; `sgd-verify statements` lists them")
    check.add_argument("problem", nargs="?", metavar="PROBLEM", help=f"{problem} (default: certify the cases that the statement ships)")
    check.add_argument("--time-limit", metavar="S", type=_seconds, default=5.0, help="seconds for each search for a proof (default: 5)")
    check.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of simulations (default: 0)")
    check.add_argument("--certificate", metavar="OUT.json", help="write the conjunction of the certificates that were used")

    falsify = command("falsify", "search for the smallest problem that refutes a statement, and certify it")
    falsify.add_argument("id", metavar="ID", help="such as F-smaller-steps; `sgd-verify statements` lists them")
    falsify.add_argument("--points", metavar="N", type=_count, default=2, help="number of data points (default: 2)")
    falsify.add_argument("--seconds", metavar="S", type=_seconds, default=60.0, help="time for the search (default: 60)")
    falsify.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of the search (default: 0)")
    falsify.add_argument("--certificate", metavar="OUT.json", help="write the conjunction of the certificates")

    recheck = command("recheck", "check a certificate with the trusted checker, or all that are shipped")
    recheck.add_argument("certificate", nargs="?", metavar="CERT.json", help="certificate file")
    recheck.add_argument("--all", action="store_true", help="every certificate of the shipped library, theorems/certificates/INDEX.md")
    recheck.add_argument("--coq", action="store_true", help="also with coqc, for the kinds of proof that the Coq library covers")

    cite = command("cite", "write a certificate, or a statement of the registry, in a form that can be cited")
    cite.add_argument("what", metavar="CERT.json|ID", help="certificate file, sha256:... of the shipped library, or a statement such as T2")
    cite.add_argument("--format", choices=("latex", "coq", "bibtex", "json", "text"), default="latex", help="default: latex, a lemma with its proof")
    cite.add_argument("--document", action="store_true", help="with latex: a document that pdflatex compiles as it stands")
    cite.add_argument("--output", metavar="FILE", help="write to FILE instead of standard output")

    page = command("report", "write one HTML page about a problem: verdicts, figures, certificates")
    page.add_argument("problem", metavar="PROBLEM", help=problem)
    page.add_argument("--html", required=True, metavar="OUT", help="file to write; it needs no network and no other file")
    page.add_argument("--time-limit", metavar="S", type=_seconds, default=20.0, help="seconds for each search (default: 20)")
    page.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of simulations (default: 0)")

    registry = command("theorems", "write the registry of statements as a static site")
    registry.add_argument("--html", required=True, metavar="DIR", help="folder to write: new, empty, or a former site")

    sweep = command("sweep", "tabulate mu, lambda and the mean-square exponent along step sizes, of one problem or of many")
    sweep.add_argument("problem", nargs="+", metavar="PROBLEM", help=f"{problem}; or several, or a folder of problem files")
    sweep.add_argument("--from", dest="start", metavar="A", help="first step size, such as 1/100 (default: the problem's own, and no other)")
    sweep.add_argument("--to", dest="stop", metavar="B", help="last step size")
    sweep.add_argument("--steps", type=_count, metavar="N", help="number of step sizes")
    sweep.add_argument("--csv", required=True, metavar="OUT", help="file for the table")
    sweep.add_argument("--workers", type=_count, metavar="N", help="worker processes (default: one for each core, for 8 rows or more)")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="scheduler of a Dask cluster, such as tcp://host:8786, instead of worker processes")
    sweep.add_argument("--resume", metavar="FILE", help="keep finished rows in FILE and do not compute those that it holds already")
    _searching(sweep, "width of the enclosures that are tried in two dimensions (default: 1e-3)", 5)

    network = command("network", "find a minimum of a real network, measure K there, and say what SGD does near it (needs the extra `network`)")
    network.add_argument("specification", metavar="SPEC", help="network file (.toml or .json), or a shipped example such as example:mlp-digits")
    network.add_argument("--gram", metavar="OUT.npy", help="save K, in the theory's convention, for `gram_npy` of a problem file")
    network.add_argument("--certify", action="store_true", help="prove that an exact minimum lies beside the one found, and the sign of lambda there (batch 1)")
    network.add_argument("--certificate", metavar="OUT.json", help="write the certificate of the sign (implies --certify)")
    network.add_argument("--assume-smooth", action="store_true", help="take H1 (the model is smooth) as given, whatever its program looks like")
    network.add_argument("--resolution", metavar="W", type=_probability, default=1e-3, help="of the simulated threshold, relative (default: 0.001)")
    network.add_argument("--confidence", metavar="P", type=_confidence, default=0.99, help="of the estimates (default: 0.99)")
    network.add_argument("--time-limit", metavar="S", type=_seconds, default=5.0, help="seconds for each search (default: 5)")
    network.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of the Monte Carlo estimates (default: 0)")

    networks = command("network-sweep", "run real networks over a grid of models, data, optimisers, step sizes and seeds, into a table that can be resumed")
    networks.add_argument("grid", metavar="GRID.toml", help="file with [grid]: lists whose product is the grid, such as size = [4, 8]")
    networks.add_argument("--table", required=True, metavar="FILE.sqlite", help="results, one row for each task; those that it holds already are not run again")
    networks.add_argument("--csv", metavar="OUT", help="also write the table as CSV")
    networks.add_argument("--parquet", metavar="OUT", help="also write the table as Parquet (needs pyarrow)")
    networks.add_argument("--workers", type=_count, metavar="N", help="worker processes with one thread each (default: this process alone)")
    networks.add_argument("--scheduler", metavar="ADDRESS", help="scheduler of a Dask cluster, such as tcp://host:8786, instead of worker processes")
    networks.add_argument("--again", action="store_true", help="run the tasks that failed before once more")
    networks.add_argument("--dry-run", action="store_true", help="run nothing: say how many tasks there are and what they may cost")
    return parser


def _searching(parser: Parser, width: str, seconds: int) -> None:
    parser.add_argument("--width", metavar="W", type=_exact, help=width)
    parser.add_argument("--time-limit", metavar="S", type=_seconds, default=float(seconds), help=f"seconds for each search (default: {seconds})")
    parser.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of the Monte Carlo estimates (default: 0)")


def _radius(text: str) -> object:
    return _exact(text, "radius")


def _exact(text: str, name: str = "width") -> object:
    try:
        return positive(text, name)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1e-100 <= value < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability from 1e-100 to below 0.5, such as 1e-6")
    return value


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a confidence between 0 and 1, such as 0.99")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r} is not a nonnegative integer of at most 18 digits")
    return int(text)
