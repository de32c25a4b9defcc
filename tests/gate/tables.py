"""Reading the tables of expectations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIGN_IN, OVER = -302, -410
_WORDS = {"in": SIGN_IN, "over": OVER}
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Row:
    """A door, what is sent there, and the status that each asker (a column) is answered with.

    `SIGN_IN` stands for a redirect to the sign-in, `OVER` for a link that is none.
    """

    door: str
    method: str
    path: str
    body: str
    statuses: dict[str, int]

    def __str__(self) -> str:
        return f"{self.door} {self.method} {self.body}"


def rows(file: str) -> list[Row]:
    """The rows of a table; the last comment before the first row names the columns."""
    columns: list[str] = []
    found = []
    for line in (HERE / file).read_text().splitlines():
        if line.startswith("#"):
            columns = line.strip("# ").split()[4:]
        elif line.strip():
            door, method, path, body, *statuses = line.split()
            codes = (_WORDS.get(one) or int(one) for one in statuses)
            told = dict(zip(columns, codes, strict=True))
            found.append(Row(door, method, path, body, told))
    return found
