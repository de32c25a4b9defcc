"""Reader of the access matrix: tables of expected statuses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIGN_IN, GONE = -302, -410
_WORDS = {"signin": SIGN_IN, "gone": GONE}
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Row:
    """A route, a request to it, and the expected status for each caller (a column).

    `SIGN_IN` is a redirect to the sign-in, `GONE` the response to a link that is not valid.
    """

    route: str
    method: str
    path: str
    body: str
    statuses: dict[str, int]

    def __str__(self) -> str:
        return f"{self.route} {self.method} {self.body}"


def rows(file: str) -> list[Row]:
    """Return the rows of a table. The last comment before the first row names the columns."""
    columns: list[str] = []
    table = []
    for line in (HERE / file).read_text().splitlines():
        if line.startswith("#"):
            columns = line.strip("# ").split()[4:]
        elif line.strip():
            route, method, path, body, *statuses = line.split()
            codes = (_WORDS.get(status) or int(status) for status in statuses)
            expected = dict(zip(columns, codes, strict=True))
            table.append(Row(route, method, path, body, expected))
    return table
