"""Messages in endless pieces, and endless frames: counted, however little is in them."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from project.server.websocket import FRAMES_S, PUBLISHED_FRAMES, PUBLISHED_S, BoundedWebSocket
from tests.hostile.attacked import Honest, Siege
from tests.hostile.peer import BINARY, PING, PONG, TEXT, Gone, Peer, frame
from tests.publishers import v1_frame


def publisher(siege: Siege) -> Peer:
    path = f"/ws/publish/{siege.scenario.push}"
    return Peer(siege.installation.port, path, siege.scenario["operator"].bearer, v1=True)


def viewer(siege: Siege, *, v1: bool) -> Peer:
    """Who has a stream key, and nothing else."""
    return Peer(siege.installation.port, f"/ws/stream/{siege.scenario.key}", {}, v1=v1)


def open_to(siege: Siege, publishes: bool) -> Peer:
    return publisher(siege) if publishes else viewer(siege, v1=True)


def send(siege: Siege, peer: Peer, data: bytes) -> None:
    siege.count(data, 1)
    peer.send(data)


def code_of(peer: Peer) -> int:
    """How it was closed."""
    try:
        while True:
            peer.hear()
    except Gone as gone:
        return gone.code


def viewers_empty_pieces(siege: Siege, v1: bool) -> Honest:
    """They end the socket. Who watched meanwhile."""
    with siege.withstood() as honest, contextlib.closing(viewer(siege, v1=v1)) as peer:
        send(siege, peer, frame(TEXT, b"{", fin=False) + frame(0, b"", fin=False) * 200)
        assert code_of(peer) == 1009
    return honest


def publishers_pieces(siege: Siege) -> Honest:
    """They end the socket before they are many. Who watched meanwhile."""
    with siege.withstood() as honest, contextlib.closing(publisher(siege)) as peer:
        pieces = frame(0, b"xx", fin=False) * PUBLISHED_FRAMES
        send(siege, peer, frame(BINARY, b"xx", fin=False) + pieces)
        assert code_of(peer) == 1009
    return honest


@pytest.mark.parametrize("v1", [False, True], ids=["seed", "v1"])
def test_viewers_empty_pieces_end_the_socket(siege: Siege, v1: bool) -> None:
    viewers_empty_pieces(siege, v1)


def test_publishers_pieces_end_the_socket_before_they_are_many(siege: Siege) -> None:
    publishers_pieces(siege)


@pytest.mark.timing
def test_who_watches_is_served_in_time_meanwhile(siege: Siege) -> None:
    for v1 in (False, True):
        viewers_empty_pieces(siege, v1).was_served_in_time()
    publishers_pieces(siege).was_served_in_time()


def test_picture_in_as_many_pieces_as_are_allowed_is_taken(siege: Siege) -> None:
    with contextlib.closing(publisher(siege)) as peer:
        for many in (1, PUBLISHED_FRAMES):
            whole = v1_frame()
            begun = frame(BINARY, whole, fin=many == 1)
            ended = frame(0, b"", fin=False) * (many - 2) + frame(0, b"") * (many > 1)
            peer.send(begun + ended)
            opcode, said = peer.hear()
            assert opcode == TEXT
            assert "ack" in json.loads(said), said


def too_many_frames(siege: Siege, publishes: bool) -> tuple[float, Honest]:
    """More than two seconds have: seconds until what follows is answered; who watched meanwhile."""
    many = 2 * (PUBLISHED_S if publishes else FRAMES_S) + 10
    with siege.withstood() as honest, contextlib.closing(open_to(siege, publishes)) as peer:
        began = time.monotonic()
        send(siege, peer, frame(PONG, b"") * many + frame(PING, b"there?"))
        while peer.hear() != (PONG, b"there?"):
            pass
        took = time.monotonic() - began
    return took, honest


def test_of_more_frames_than_a_second_has_none_is_lost(siege: Siege) -> None:
    too_many_frames(siege, publishes=False)


@pytest.mark.timing
@pytest.mark.parametrize("publishes", [True, False], ids=["publisher", "viewer"])
def test_who_sends_more_frames_than_a_second_has_is_not_read_meanwhile(
    siege: Siege, publishes: bool
) -> None:
    """What follows is heard in the seconds after. Who watches is served in time all the while."""
    took, honest = too_many_frames(siege, publishes)
    assert took > 1.5
    honest.was_served_in_time()


def test_frame_that_comes_by_crumbs_is_one_object() -> None:
    heard = BoundedWebSocket()
    heard.websocket_version = 13
    heard.onMessageBegin(True)
    heard.onMessageFrameBegin(3000)
    for n in range(3000):
        heard.onMessageFrameData(b"%d" % (n % 10))
    assert len(heard.frame_data) == 1
    heard.onMessageFrameEnd()
    assert b"".join(heard.message_data) == b"0123456789" * 300
