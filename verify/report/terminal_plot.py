"""The curve of the exponents as plain characters, for a terminal without a display. ASCII only, no colours, at most 100 columns."""

from __future__ import annotations

from string import ascii_lowercase

from .curve import Curve, Mark

HEIGHT = 19
MARGIN = 10
CHARACTERS = {"enclosure": "#", "sign": "*", "none": "o"}


def terminal_picture(curve: Curve, columns: int = 100) -> str:
    """A picture of `columns` columns: # lambda enclosed, * lambda estimated with a proved sign, o lambda estimated, + mu."""
    width = max(30, min(100, columns) - MARGIN - 1)
    bottom, top = curve.vertical_range
    rows = [[" "] * width for _ in range(HEIGHT)]

    def column(eta: float) -> int:
        return min(width - 1, max(0, round(eta / curve.end * (width - 1))))

    def row(value: float) -> int:
        return min(HEIGHT - 1, max(0, round((top - value) / (top - bottom) * (HEIGHT - 1))))

    zero = row(0.0)
    rows[zero] = ["-"] * width
    for line in curve.lines:
        for cells in rows:
            cells[column(line.eta)] = ":"
    for mark in curve.mus:
        _put(rows, row, column, mark, "+")
    for mark in curve.lambdas:
        _put(rows, row, column, mark, CHARACTERS[mark.proof])
    labels = {0: f"{top:.3g}", zero: "0", HEIGHT - 1: f"{bottom:.3g}"}
    text = [f"{curve.title}: exponents (nats per step) against the step size", ""]
    text += [labels.get(i, "").rjust(MARGIN - 1) + "|" + "".join(cells).rstrip() for i, cells in enumerate(rows)]
    letters = [" "] * width
    for letter, line in zip(ascii_lowercase, curve.lines, strict=False):
        place = column(line.eta)
        letters[place] = letter if letters[place] == " " else letters[place]
    if curve.step_size <= curve.end and letters[column(curve.step_size)] == " ":
        letters[column(curve.step_size)] = "^"
    text.append(" " * MARGIN + "".join(letters).rstrip())
    text.append(" " * MARGIN + "0" + f"{curve.end:g}".rjust(width - 1))
    text += ["", "# lambda, proved enclosure   * lambda, estimate with a proved sign   o lambda, estimate   + mu"]
    for letter, line in zip(ascii_lowercase, curve.lines, strict=False):
        text.append(f"{letter} {line.label}")
    text.append(f"^ this problem: {curve.step_size:.6g}")
    return "\n".join(text)


def _put(rows: list[list[str]], row: object, column: object, mark: Mark, character: str) -> None:
    assert callable(row)
    assert callable(column)
    rows[row(mark.value)][column(mark.eta)] = character
