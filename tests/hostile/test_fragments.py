"""Messages in many fragments, and many frames: their number is limited, whatever their size."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from project.server.websocket import FRAMES_S, PUBLISHED_FRAMES, PUBLISHED_S, BoundedWebSocket
from tests.hostile.attacked import AttackedServer, LegitimateViewer
from tests.hostile.peer import BINARY, PING, PONG, TEXT, Closed, Peer, frame
from tests.publishers import v1_frame


def publisher(target: AttackedServer) -> Peer:
    path = f"/ws/publish/{target.scenario.push}"
    return Peer(target.installation.port, path, target.scenario["operator"].bearer, v1=True)


def viewer(target: AttackedServer, *, v1: bool) -> Peer:
    """Open a viewer's socket with a stream key."""
    return Peer(target.installation.port, f"/ws/stream/{target.scenario.key}", {}, v1=v1)


def open_to(target: AttackedServer, publishes: bool) -> Peer:
    return publisher(target) if publishes else viewer(target, v1=True)


def send(target: AttackedServer, peer: Peer, data: bytes) -> None:
    target.count(data, 1)
    peer.send(data)


def close_code(peer: Peer) -> int:
    """Wait until the server closes the socket; return the code."""
    try:
        while True:
            peer.receive()
    except Closed as closed:
        return closed.code


def send_empty_fragments(target: AttackedServer, v1: bool) -> LegitimateViewer:
    """Send empty fragments, which close the socket; return the viewer who watched."""
    with target.attack() as watcher, contextlib.closing(viewer(target, v1=v1)) as peer:
        send(target, peer, frame(TEXT, b"{", fin=False) + frame(0, b"", fin=False) * 200)
        assert close_code(peer) == 1009
    return watcher


def send_fragments(target: AttackedServer) -> LegitimateViewer:
    """Send too many fragments, which close the socket; return the viewer who watched."""
    with target.attack() as watcher, contextlib.closing(publisher(target)) as peer:
        fragments = frame(0, b"xx", fin=False) * PUBLISHED_FRAMES
        send(target, peer, frame(BINARY, b"xx", fin=False) + fragments)
        assert close_code(peer) == 1009
    return watcher


@pytest.mark.parametrize("v1", [False, True], ids=["seed", "v1"])
def test_empty_fragments_of_a_viewer_close_the_socket(target: AttackedServer, v1: bool) -> None:
    send_empty_fragments(target, v1)


def test_too_many_fragments_of_a_publisher_close_the_socket(target: AttackedServer) -> None:
    send_fragments(target)


@pytest.mark.timing
def test_viewer_is_served_in_time_during_the_attack(target: AttackedServer) -> None:
    for v1 in (False, True):
        send_empty_fragments(target, v1).assert_served_in_time()
    send_fragments(target).assert_served_in_time()


def test_picture_in_the_maximum_of_fragments_is_accepted(target: AttackedServer) -> None:
    with contextlib.closing(publisher(target)) as peer:
        for count in (1, PUBLISHED_FRAMES):
            whole = v1_frame()
            first = frame(BINARY, whole, fin=count == 1)
            rest = frame(0, b"", fin=False) * (count - 2) + frame(0, b"") * (count > 1)
            peer.send(first + rest)
            opcode, answer = peer.receive()
            assert opcode == TEXT
            assert "ack" in json.loads(answer), answer


def send_too_many_frames(target: AttackedServer, publishes: bool) -> tuple[float, LegitimateViewer]:
    """Send the frames of two seconds at once.

    Return the seconds until the following ping was answered, and the viewer who watched.
    """
    count = 2 * (PUBLISHED_S if publishes else FRAMES_S) + 10
    with target.attack() as watcher, contextlib.closing(open_to(target, publishes)) as peer:
        began = time.monotonic()
        send(target, peer, frame(PONG, b"") * count + frame(PING, b"there?"))
        while peer.receive() != (PONG, b"there?"):
            pass
        took = time.monotonic() - began
    return took, watcher


def test_frames_over_the_rate_limit_are_not_lost(target: AttackedServer) -> None:
    send_too_many_frames(target, publishes=False)


@pytest.mark.timing
@pytest.mark.parametrize("publishes", [True, False], ids=["publisher", "viewer"])
def test_frames_over_the_rate_limit_are_read_later(target: AttackedServer, publishes: bool) -> None:
    """The following frames are read later. The viewer is served in time all the while."""
    took, watcher = send_too_many_frames(target, publishes)
    assert took > 1.5
    watcher.assert_served_in_time()


def test_frame_in_many_reads_is_one_object() -> None:
    protocol = BoundedWebSocket()
    protocol.websocket_version = 13
    protocol.onMessageBegin(True)
    protocol.onMessageFrameBegin(3000)
    for n in range(3000):
        protocol.onMessageFrameData(b"%d" % (n % 10))
    assert len(protocol.frame_data) == 1
    protocol.onMessageFrameEnd()
    assert b"".join(protocol.message_data) == b"0123456789" * 300
