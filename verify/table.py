"""Tables of exact numbers from CSV files. Every complaint names the file, the line and the column.

Cells are separated by commas. A first line with text in it is a header; one that mixes text and numbers could be a damaged line of data, so the caller
must then say which it is. Blank lines are skipped, a blank cell is an error where it is used. Decimals are read exactly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .exact import InputError, Vector, rational


@dataclass(frozen=True)
class Table:
    """The text of a table: `header` (empty if there is none), the data rows, and the line that each of them stands in."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, name: str, has_header: bool | None = None) -> Table:
        """Read CSV text. `has_header` None detects a header. Raises `InputError` for ragged rows, unbalanced quotes and an empty table."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        found: list[tuple[int, tuple[str, ...]]] = []
        try:
            for row in reader:
                cells = tuple(cell.strip() for cell in row)
                if len(cells) > 1 or any(cells):
                    found.append((reader.line_num, cells))
        except csv.Error as error:
            raise InputError(f"{name} line {reader.line_num} is not readable as CSV: {error}; write numbers separated by commas") from None
        if not found:
            raise InputError(f"{name} is empty; write one row of numbers per sample")
        if has_header is None:
            has_header = _looks_like_header(found[0][1], name, found[0][0])
        header, data = (found[0][1], found[1:]) if has_header else ((), found)
        if not data:
            raise InputError(f"{name} has a header but no rows of data; write one row of numbers per sample")
        width = len(found[0][1])
        for line, cells in found:
            if len(cells) != width:
                raise InputError(f"{name} line {line} has {len(cells)} cells, but line {found[0][0]} has {width}; all rows need the same number of cells")
        for i, title in enumerate(header):
            if title and title in header[:i]:
                raise InputError(f"{name} has two columns named {title!r}; give them different names")
        return cls(name, header, tuple(cells for _, cells in data), tuple(line for line, _ in data))

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.rows[0])

    def column(self, key: object, what: str) -> int:
        """The number of the column that a name or a 0-based number means; `what` is how the caller knows the key."""
        if isinstance(key, str) and not self.header:
            raise InputError(f"{what} = {key!r} is a name, but {self.name} has no header; use a number from 0 to {self.width - 1}")
        if isinstance(key, str):
            if key not in self.header:
                raise InputError(f"{what} = {key!r} is not a column of {self.name}, which has {', '.join(map(repr, self.header))}")
            return self.header.index(key)
        if isinstance(key, bool) or not isinstance(key, int):
            raise InputError(f"{what} = {key!r} is neither a column's name (a string) nor its 0-based number (an integer)")
        if not 0 <= key < self.width:
            raise InputError(f"{what} = {key} is not a column of {self.name}, whose columns are numbered from 0 to {self.width - 1}")
        return key

    def numbers(self, rows: Sequence[int], columns: Iterable[int]) -> tuple[Vector, ...]:
        """The chosen cells as exact numbers."""
        chosen = tuple(columns)
        return tuple(tuple(self._number(i, j) for j in chosen) for i in rows)

    def all_numbers(self) -> tuple[Vector, ...]:
        """Every cell as an exact number."""
        return self.numbers(range(len(self.rows)), range(self.width))

    def _number(self, i: int, j: int) -> Fraction:
        cell, place = self.rows[i][j], self._place(i, j)
        if not cell:
            raise InputError(f"{place} is blank; write a number, or leave the row or column out with rows or columns")
        if not _is_number(cell):
            hint = "write a number such as 0.1 or 1/3, or leave the row or column out with rows or columns"
            hint = "separate cells by commas" if ";" in cell or "\t" in cell else hint
            raise InputError(f"{place} = {_short(cell)} is not a number; {hint}")
        return rational(cell, place)

    def _place(self, i: int, j: int) -> str:
        title = f" ({self.header[j]})" if self.header and self.header[j] else ""
        return f"{self.name} line {self.lines[i]}, column {j + 1}{title}"


def _looks_like_header(cells: tuple[str, ...], name: str, line: int) -> bool:
    texts = [j for j, cell in enumerate(cells) if cell and not _is_number(cell)]
    if not texts:
        return False
    if any(_is_number(cell) for cell in cells):
        text = f"column {texts[0] + 1} = {_short(cells[texts[0]])}"
        raise InputError(f"{name} line {line} mixes numbers and text ({text}): correct it if it is data, or say that it is a header with header = true")
    return True


def _is_number(cell: str) -> bool:
    try:
        rational(cell, "cell")
    except InputError as error:
        return "not a number" not in str(error)  # too many digits, or a division by zero: a damaged number, not a title
    return True


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")
