"""The arguments of `sgd-verify`. Imports nothing heavy, so that `--help` is quick."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from ..exact import InputError, positive

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
    _searching(exponent, "width asked of the enclosures, such as 1e-9 (default: the signs)", 20)

    threshold = command("threshold", "bracket a sign change of lambda, the first where that is proved (the problem's own step size is ignored)")
    threshold.add_argument("problem", metavar="PROBLEM", help=problem)
    _searching(threshold, "width asked of the bracket (default: about 1e-6 of the step sizes concerned, and a wider bracket counts as found)", 60)

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

    recheck = command("recheck", "check a certificate with the trusted checker")
    recheck.add_argument("certificate", metavar="CERT.json", help="certificate file")

    sweep = command("sweep", "tabulate mu, lambda and the mean-square exponent along step sizes")
    sweep.add_argument("problem", metavar="PROBLEM", help=problem)
    sweep.add_argument("--from", dest="start", required=True, metavar="A", help="first step size, such as 1/100")
    sweep.add_argument("--to", dest="stop", required=True, metavar="B", help="last step size")
    sweep.add_argument("--steps", required=True, type=_count, metavar="N", help="number of step sizes")
    sweep.add_argument("--csv", required=True, metavar="OUT", help="file for the table")
    _searching(sweep, "width of the enclosures that are tried in two dimensions (default: 1e-3)", 5)
    return parser


def _searching(parser: Parser, width: str, seconds: int) -> None:
    parser.add_argument("--width", metavar="W", type=_exact, help=width)
    parser.add_argument("--time-limit", metavar="S", type=_seconds, default=float(seconds), help=f"seconds for each search (default: {seconds})")
    parser.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of the Monte Carlo estimates (default: 0)")


def _exact(text: str) -> object:
    try:
        return positive(text, "width")
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


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r} is not a nonnegative integer of at most 18 digits")
    return int(text)
