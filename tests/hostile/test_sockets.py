"""Hostile messages on the sockets, in both formats: refused, one by one, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.attacked import HOW_MANY, Siege, messages
from tests.hostile.peer import BINARY, PING, PONG, TEXT, Gone, Peer, frame
from tests.hostile.strategies import CLASSICS, ODD_TEXTS, SEED, V1, dated, encoded, v1

# Would hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

REFUSED = {1002, 1003, 1007, 1008, 1009, 4429}  # a whole message has an answer or one of these
FRAMINGS = st.sampled_from([
    *["whole"] * 18, *["pieces", "pieces around a ping", "other kind"] * 2,
    "unmasked", "compressed", "reserved bit", "reserved opcode", "continued from nothing",
    "begun twice", "long control", "control in pieces", "announces too much", "cut short",
])  # fmt: skip
LAWFUL = ("whole", "pieces", "pieces around a ping", "other kind")


def framed(how: str, opcode: int, data: bytes) -> bytes:
    """The message in frames; most of these ways are against RFC 6455."""
    half = len(data) // 2
    begun = frame(opcode, data[:half], fin=False)
    match how:
        case "other kind":
            return frame(BINARY if opcode == TEXT else TEXT, data)
        case "pieces":
            return begun + frame(0, b"", fin=False) + frame(0, data[half:])
        case "pieces around a ping":
            return begun + frame(PING, b"between") + frame(0, data[half:])
        case "unmasked":
            return frame(opcode, data, masked=False)
        case "compressed":
            return frame(opcode, data, rsv=4)
        case "reserved bit":
            return frame(opcode, data, rsv=2)
        case "reserved opcode":
            return frame(3 + len(data) % 5, data)
        case "continued from nothing":
            return frame(0, data)
        case "begun twice":
            return begun + begun
        case "long control":
            return frame(PING, data.ljust(126, b"x"))
        case "control in pieces":
            return frame(PING, data[:100], fin=False)
        case "announces too much":
            return frame(opcode, data, told=2**40)
        case "cut short":
            return frame(opcode, data, told=len(data) + 1000)
        case _:
            return frame(opcode, data)


def _is_lawful(how: str, opcode: int, data: bytes) -> bool:
    if how not in LAWFUL:
        return False
    if (opcode == TEXT) == (how == "other kind"):
        return True  # as binary
    try:
        return data.decode() is not None
    except UnicodeDecodeError:
        return False


class Line:
    """A connection that is opened anew when it ended, and now and then all the same."""

    def __init__(self, siege: Siege, path: str, who: str, *, binary: bool) -> None:
        self._siege, self._path, self._v1 = siege, path, binary
        self._bearer = siege.cast[who].bearer
        self._peer: Peer | None = None
        self.outcomes: dict[str, int] = {}

    def peer(self) -> Peer:
        if self._peer is None:
            self._peer = Peer(self._siege.installation.port, self._path, self._bearer, v1=self._v1)
        return self._peer

    def drop(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def say(self, how: str, opcode: int, data: bytes, *, answered: bool) -> None:
        """Send it; what follows is an answer, a refusal, or at least a pong."""
        peer = self.peer()
        peer.send(framed(how, opcode, data))
        if how == "cut short":
            self._note("left in the middle")
            self.drop()
            return
        peer.send(frame(PING, b"there?"))
        try:
            self._note(self._heard(peer, answered and how in LAWFUL))
        except Gone as gone:
            self.drop()
            self._note(f"closed {gone.code}")
            # What is against RFC 6455, a text that is no UTF-8 too, is hung up on without a word.
            allowed = REFUSED if _is_lawful(how, opcode, data) else {*REFUSED, 1006}
            if gone.code not in allowed:
                raise AssertionError(f"{gone.code} after {how}: {data[:200]!r}") from None

    def _heard(self, peer: Peer, answered: bool) -> str:
        said = pong = None
        while pong is None or (answered and said is None):
            opcode, payload = peer.hear()
            if opcode == PONG and payload == b"there?":
                pong = payload
            elif opcode == TEXT and answered:
                said = json.loads(payload)
        if said is None:
            return "pong"
        assert "ack" in said or said["type"] == "problem", said
        if said.get("type") == "problem":
            assert said["status"] in (400, 503), said
            assert said["detail"].endswith((".", "!")), said
            return f"problem {said['status']}"
        return "duplicate" if said.get("duplicate") else "accepted"

    def _note(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def attack(
    siege: Siege, line: Line, count: int, strategy: st.SearchStrategy[bytes], opcode: int,
    *, answered: bool, v1_headers: bool = False,
) -> None:  # fmt: skip
    """The classics, and so many messages more, each in some framing."""

    @messages(count)
    @given(how=FRAMINGS, data=strategy)
    def send(how: str, data: bytes) -> None:
        siege.count(data, count // 3)
        line.say(how, opcode, dated(data), answered=answered)

    try:
        for text in CLASSICS:
            data = text.encode()
            line.say(
                "whole", opcode, v1(data, None, b"") if v1_headers else data, answered=answered
            )
        send()
    finally:
        line.drop()


def publish(siege: Siege, count: int, *, binary: bool) -> dict[str, int]:
    """Attack as a publisher; how many messages were answered how."""
    line = Line(siege, f"/ws/publish/{siege.cast.push}", "operator", binary=binary)
    if binary:
        attack(siege, line, count, V1, BINARY, answered=True, v1_headers=True)
    else:
        attack(siege, line, count, SEED, TEXT, answered=True)
    return line.outcomes


def watch(siege: Siege, count: int, *, binary: bool) -> dict[str, int]:
    """Attack as a viewer."""
    line = Line(siege, f"/ws/stream/{siege.cast.plaza}", "viewer", binary=binary)
    attack(siege, line, count, encoded(ODD_TEXTS) | V1, TEXT, answered=False)
    return line.outcomes


@pytest.mark.parametrize("times", HOW_MANY)
@pytest.mark.parametrize("binary", [False, True], ids=["seed", "v1"])
def test_publishers(siege: Siege, times: int, binary: bool) -> None:
    with siege.withstood() as honest:
        outcomes = publish(siege, 90 * times, binary=binary)
    if times > 1:
        honest.was_served_in_time()
    assert siege.sent == 90 * times
    assert outcomes["problem 400"] > 20 * times
    assert outcomes["accepted"] > 0


@pytest.mark.parametrize("times", HOW_MANY)
@pytest.mark.parametrize("binary", [False, True], ids=["seed", "v1"])
def test_viewers_who_talk(siege: Siege, times: int, binary: bool) -> None:
    with siege.withstood() as honest:
        outcomes = watch(siege, 15 * times, binary=binary)
    if times > 1:
        honest.was_served_in_time()
    assert siege.sent == 15 * times
    assert outcomes["pong"] > 0


@pytest.mark.timing
def test_who_watches_is_served_in_time_meanwhile(siege: Siege) -> None:
    with siege.withstood() as honest:
        for binary in (False, True):
            publish(siege, 30, binary=binary)
            watch(siege, 15, binary=binary)
    honest.was_served_in_time()
