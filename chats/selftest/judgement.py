"""Judges what a proxy does to event streams, from the arrival times of their events. Django-free.

Compares two streams: one with the headers of the chat's streams, and a bare one without the
headers that turn buffering off. A finding on the first affects the chat now; a finding on the bare
one alone is prevented by the chat's own headers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chats.selftest.proxies import Line, lines_for

HELD_S = 0.6  # later than the quickest event by so much, and it was held back
ARRIVALS_MOST = 100
HEADERS = ("content-type", "content-encoding", "server", "via")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event: seconds from the stream's beginning to its sending, by the server's clock, and
    from the request to its arrival, by the listener's."""

    sent_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one stream. `ended`: with its last event. `over_s`: when nothing came any more.

    Of `headers`, names in lower case, those in `HEADERS` count.
    """

    arrivals: tuple[Arrival, ...]
    headers: Mapping[str, str]
    ended: bool
    over_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is "held", "compressed", "cut" or "other". `lines` say what to change, by proxy."""

    kind: str
    sentence: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """`state` is "ok", "note" (the chat's own headers hold it off) or "wrong"."""

    state: str
    sentence: str
    findings: tuple[Finding, ...] = ()


def verdict(
    arrivals: Sequence[Arrival],
    headers: Mapping[str, str],
    ended: bool,
    over_s: float | None = None,
) -> list[Finding]:
    """What was done to one stream on its way; nothing, where all is well."""
    kind = headers.get("content-type", "")
    if not kind.startswith("text/event-stream"):
        said = f"“{kind[:60]}”" if kind else "no content"
        return [
            Finding(
                "other",
                f"The address answered with {said}, not with the stream: something in front "
                "answers by itself, or leads elsewhere.",
            )
        ]
    found = []
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        found.append(
            Finding(
                "compressed",
                f"The stream was compressed ({encoding[:20]}) on its way.",
                lines_for("compressed", headers),
            )
        )
    if held := _held(arrivals, ended, over_s):
        found.append(Finding("held", held, lines_for("held", headers)))
    if arrivals and not ended:
        found.append(Finding("cut", _cut(arrivals, over_s), lines_for("cut", headers)))
    return found


def judge(chat: Heard, bare: Heard) -> Judgement:
    """Both streams together."""
    hurts = verdict(chat.arrivals, chat.headers, chat.ended, chat.over_s)
    kinds = {finding.kind for finding in hurts}
    held_off = [
        Finding(
            finding.kind,
            f"Without the chat’s headers: {finding.sentence[0].lower()}{finding.sentence[1:]}",
            finding.lines,
        )
        for finding in verdict(bare.arrivals, bare.headers, bare.ended, bare.over_s)
        if finding.kind not in kinds
    ]
    if hurts:
        return Judgement("wrong", "The chat’s streams do not arrive as sent.", (*hurts, *held_off))
    if held_off:
        return Judgement(
            "note",
            "The chat’s streams arrive as sent, but only thanks to the headers they carry.",
            tuple(held_off),
        )
    quiet = chat.arrivals[-1].sent_s - chat.arrivals[-2].sent_s if len(chat.arrivals) > 1 else 0.0
    return Judgement(
        "ok",
        f"All is well: every event arrived within {_spread(chat.arrivals) * 1000:.0f} ms of its "
        f"turn, nothing was compressed, and {quiet:.0f} s of silence were endured.",
    )


def _spread(arrivals: Sequence[Arrival]) -> float:
    """Seconds by which the slowest event was slower than the quickest. Clocks need not agree."""
    delays = [arrival.at_s - arrival.sent_s for arrival in arrivals]
    return max(delays, default=0.0) - min(delays, default=0.0)


def _held(arrivals: Sequence[Arrival], ended: bool, over_s: float | None) -> str:
    if not arrivals and not ended:
        waited = f" in {over_s:.0f} s" if over_s is not None else ""
        return f"No event of the stream arrived{waited}: they were held back."
    spread = _spread(arrivals)
    return f"Events were held back, for {spread:.1f} s at most." if spread > HELD_S else ""


def _cut(arrivals: Sequence[Arrival], over_s: float | None) -> str:
    if over_s is None:
        return "The stream was cut before its end."
    silence = max(0.0, over_s - arrivals[-1].at_s)
    return f"The stream was cut after {silence:.1f} s of silence."


def heard_of(data: Any) -> Heard:
    """What a browser tells. Raises `ValueError` for anything else."""
    try:
        arrivals = tuple(
            Arrival(_seconds(sent), _seconds(at)) for sent, at in data["arrivals"][:ARRIVALS_MOST]
        )
        told = data["headers"]
        headers = {name: str(told[name])[:200] for name in HEADERS if told.get(name)}
        over = data.get("over")
        return Heard(
            arrivals, headers, data["ended"] is True, None if over is None else _seconds(over)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"That is not what a stream looks like: {error!r}.") from None


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not math.isfinite(seconds) or not 0 <= seconds < 3600:
        raise ValueError("Seconds are from 0 to 3600.")
    return seconds
