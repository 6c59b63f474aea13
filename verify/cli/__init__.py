"""The command `sgd-verify`.

Exit codes: 0 decided, holds, found, accepted; 1 undecided, refuted, not found, rejected, or width not reached; 2 bad input or usage.
With exit code 2 there is one line on standard error and nothing on standard output. 70: an internal error, 130: interrupted. No tracebacks; with
SGD_VERIFY_TRACEBACK=1 in the environment an internal error shows its own. Heavy parts are imported by the command that needs them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from ..exact import InputError
from .parser import UsageError, build_parser

UNDECIDED, BAD_INPUT, INTERNAL, INTERRUPTED = 1, 2, 70, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for name in ("stdout", "stderr"):  # closed by the caller (`>&-`)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (it lives as long as the process)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a terminal that cannot show a character gets a substitute, not an error
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        arguments = build_parser().parse_args(argv)
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except (UsageError, InputError) as error:
        return _fail(str(error), BAD_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted; no file was left half-written", INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`| head`): keep the interpreter from complaining when it flushes at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNDECIDED
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: {error.strerror or error}", BAD_INPUT)
    except Exception as error:
        if os.environ.get("SGD_VERIFY_TRACEBACK") == "1":
            raise
        return _fail(f"internal error, please report it with the problem file: {type(error).__name__}: {error}", INTERNAL)


def _fail(message: str, code: int) -> int:
    with suppress(OSError, ValueError):
        print(f"sgd-verify: {' '.join(message.split())}", file=sys.stderr)
    return code
