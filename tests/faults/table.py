"""The table of what faults cost, and the promises that a measurement breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from statistics import median

from tests.faults.faults import LATE, Fault
from tests.faults.play import Outcome

MEASURING_S = 0.3  # between an arrival and its note, on a busy machine
MOST_SLACK_S = 5.0  # the same on a machine that does much else
HEAD = (
    "| Fault | Gap, seed format | Gap, `sideline.v1` | Elsewhere | Pictures lost | Text taken back "
    "| Told |\n|---|---|---|---|---|---|---|"
)
FORMATS = ("seed", "sideline.v1")


def broken_promises(fault: Fault, outcome: Outcome, patience_s: float = 0.0) -> Iterator[str]:
    """Yield a sentence for each promise that was broken.

    With patience, waits may be that much longer and are told, but no picture and no text is that
    much older.
    """
    promise, patience = fault.promise, MEASURING_S + patience_s
    slack = min(patience, MOST_SLACK_S)
    gaps = [(f"a gap in {name}", outcome.gaps.get(name, [])) for name in FORMATS]
    for name, found, most in (
        *((name, found, promise.gap_s + patience) for name, found in gaps),
        ("a gap elsewhere", outcome.elsewhere, promise.elsewhere_s + patience),
        ("the end of an interrupted answer", outcome.ended_after_s, promise.ends_s + patience),
        ("a live picture's age", [outcome.oldest_live_s], promise.live_s + slack),
        ("text taken back", [outcome.text_s], promise.text_s + slack),
    ):
        if (worst := max(found, default=0.0)) > most:
            yield f"{name}: {worst:.2f} s, at most {most:.1f} s"
    if outcome.backwards:
        yield f"{outcome.backwards} pictures or events came after newer ones"
    if outcome.differing:
        yield f"{outcome.differing} followers have another text than the stored answer"
    told = {f"{each.who}: {each.what}" for each in outcome.told}
    allowed = (*promise.told, *(LATE if patience_s else ()))
    for each in sorted(told):
        if not each.startswith(allowed):
            yield f"somebody was told what is not promised: {each}"
    for each in promise.must:
        if not any(one.startswith(each) for one in told):
            yield f"nobody was told: {each}"


def row(fault: Fault, outcomes: list[Outcome]) -> str:
    """Return the line of a fault that was played once or several times."""
    cells = [_seconds(chain(*(each.gaps.get(name, []) for each in outcomes))) for name in FORMATS]
    cells.append(_seconds(chain(*(each.elsewhere for each in outcomes))))
    lost = sorted(chain(*(each.lost for each in outcomes)))
    cells.append(f"{median(lost):.0f} / {lost[-1]}" if lost else "–")
    text = max(each.text_s for each in outcomes)
    cells.append(f"{text:.2f} s" if text else "–")
    return f"| {fault.name} | {' | '.join(cells)} | {_told(outcomes)} |"


def _seconds(found: Iterable[float]) -> str:
    values = sorted(found)
    return f"{median(values):.1f} / {values[-1]:.1f} s" if values else "–"


def _told(outcomes: list[Outcome]) -> str:
    """What each kind of client was told, and after how many seconds the first of them was."""
    first: dict[str, dict[str, float]] = {}
    for each in sorted(chain(*(outcome.told for outcome in outcomes)), key=lambda told: told.at):
        first.setdefault(each.who, {}).setdefault(each.what, each.at)
    told = "; ".join(
        f"{who}: " + ", ".join(f"{what} ({at:.1f} s)" for what, at in found.items())
        for who, found in sorted(first.items(), reverse=True)
    )
    return told or "nothing"
