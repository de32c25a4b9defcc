"""Hostile messages on sockets, in both formats: each is refused, and nothing else happens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.attacked import MULTIPLIERS, AttackedServer, messages
from tests.hostile.peer import BINARY, PING, PONG, TEXT, Closed, Peer, frame
from tests.hostile.strategies import CLASSICS, ODD_TEXTS, SEED, V1, dated, encoded, v1

# This warning would hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

REFUSED = {1002, 1003, 1007, 1008, 1009, 4429}  # a valid message gets an answer or one of these
FRAMINGS = st.sampled_from([
    *["whole"] * 18, *["pieces", "pieces around a ping", "other kind"] * 2,
    "unmasked", "compressed", "reserved bit", "reserved opcode", "continued from nothing",
    "begun twice", "long control", "control in pieces", "announces too much", "cut short",
])  # fmt: skip
VALID = ("whole", "pieces", "pieces around a ping", "other kind")


def encode_frames(how: str, opcode: int, data: bytes) -> bytes:
    """Encode the message as frames; most of these framings violate RFC 6455."""
    half = len(data) // 2
    first = frame(opcode, data[:half], fin=False)
    match how:
        case "other kind":
            return frame(BINARY if opcode == TEXT else TEXT, data)
        case "pieces":
            return first + frame(0, b"", fin=False) + frame(0, data[half:])
        case "pieces around a ping":
            return first + frame(PING, b"between") + frame(0, data[half:])
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
            return first + first
        case "long control":
            return frame(PING, data.ljust(126, b"x"))
        case "control in pieces":
            return frame(PING, data[:100], fin=False)
        case "announces too much":
            return frame(opcode, data, announced=2**40)
        case "cut short":
            return frame(opcode, data, announced=len(data) + 1000)
        case _:
            return frame(opcode, data)


def _is_valid(how: str, opcode: int, data: bytes) -> bool:
    if how not in VALID:
        return False
    if (opcode == TEXT) == (how == "other kind"):
        return True  # as binary
    try:
        return data.decode() is not None
    except UnicodeDecodeError:
        return False


class Connection:
    """A connection that is reopened when it has ended."""

    def __init__(self, target: AttackedServer, path: str, who: str, *, binary: bool) -> None:
        self._siege, self._path, self._v1 = target, path, binary
        self._bearer = target.scenario[who].bearer
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

    def send(self, how: str, opcode: int, data: bytes, *, answered: bool) -> None:
        """Send a message; record whether an answer, a close code or only a pong follows."""
        peer = self.peer()
        peer.send(encode_frames(how, opcode, data))
        if how == "cut short":
            self._count("dropped")
            self.drop()
            return
        peer.send(frame(PING, b"there?"))
        try:
            self._count(self._outcome(peer, answered and how in VALID))
        except Closed as closed:
            self.drop()
            self._count(f"closed {closed.code}")
            # After a violation of RFC 6455, such as invalid UTF-8, 1006 is allowed, too.
            allowed = REFUSED if _is_valid(how, opcode, data) else {*REFUSED, 1006}
            if closed.code not in allowed:
                raise AssertionError(f"{closed.code} after {how}: {data[:200]!r}") from None

    def _outcome(self, peer: Peer, answered: bool) -> str:
        answer = pong = None
        while pong is None or (answered and answer is None):
            opcode, payload = peer.receive()
            if opcode == PONG and payload == b"there?":
                pong = payload
            elif opcode == TEXT and answered:
                answer = json.loads(payload)
        if answer is None:
            return "pong"
        assert "ack" in answer or answer["type"] == "problem", answer
        if answer.get("type") == "problem":
            assert answer["status"] in (400, 503), answer
            assert answer["detail"].endswith((".", "!")), answer
            return f"problem {answer['status']}"
        return "duplicate" if answer.get("duplicate") else "accepted"

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def attack(
    target: AttackedServer, connection: Connection, count: int,
    strategy: st.SearchStrategy[bytes], opcode: int, *, answered: bool, v1_headers: bool = False,
) -> None:  # fmt: skip
    """Send `CLASSICS`, and `count` other messages in various framings."""

    @messages(count)
    @given(how=FRAMINGS, data=strategy)
    def send(how: str, data: bytes) -> None:
        target.count(data, count // 3)
        connection.send(how, opcode, dated(data), answered=answered)

    try:
        for text in CLASSICS:
            data = text.encode()
            connection.send(
                "whole", opcode, v1(data, None, b"") if v1_headers else data, answered=answered
            )
        send()
    finally:
        connection.drop()


def publish(target: AttackedServer, count: int, *, binary: bool) -> dict[str, int]:
    """Attack as a publisher; return the number of each outcome."""
    connection = Connection(
        target, f"/ws/publish/{target.scenario.push}", "operator", binary=binary
    )
    if binary:
        attack(target, connection, count, V1, BINARY, answered=True, v1_headers=True)
    else:
        attack(target, connection, count, SEED, TEXT, answered=True)
    return connection.outcomes


def watch(target: AttackedServer, count: int, *, binary: bool) -> dict[str, int]:
    """Attack as a viewer; return the number of each outcome."""
    connection = Connection(target, f"/ws/stream/{target.scenario.plaza}", "viewer", binary=binary)
    attack(target, connection, count, encoded(ODD_TEXTS) | V1, TEXT, answered=False)
    return connection.outcomes


@pytest.mark.parametrize("factor", MULTIPLIERS)
@pytest.mark.parametrize("binary", [False, True], ids=["seed", "v1"])
def test_hostile_messages_of_publishers(target: AttackedServer, factor: int, binary: bool) -> None:
    with target.attack() as watcher:
        outcomes = publish(target, 90 * factor, binary=binary)
    if factor > 1:
        watcher.assert_served_in_time()
    assert target.sent == 90 * factor
    assert outcomes["problem 400"] > 20 * factor
    assert outcomes["accepted"] > 0


@pytest.mark.parametrize("factor", MULTIPLIERS)
@pytest.mark.parametrize("binary", [False, True], ids=["seed", "v1"])
def test_hostile_messages_of_viewers(target: AttackedServer, factor: int, binary: bool) -> None:
    with target.attack() as watcher:
        outcomes = watch(target, 15 * factor, binary=binary)
    if factor > 1:
        watcher.assert_served_in_time()
    assert target.sent == 15 * factor
    assert outcomes["pong"] > 0


@pytest.mark.timing
def test_viewer_is_served_in_time_during_the_attack(target: AttackedServer) -> None:
    with target.attack() as watcher:
        for binary in (False, True):
            publish(target, 30, binary=binary)
            watch(target, 15, binary=binary)
    watcher.assert_served_in_time()
