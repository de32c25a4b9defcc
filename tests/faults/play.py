"""Plays a fault on a stand with its observers, and measures what they noticed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chats.talking import ChatClient
from tests.endpoint import Script
from tests.faults.callers import Caller
from tests.faults.faults import Fault, Struck
from tests.faults.followers import Follower
from tests.faults.observers import PERIOD_S, Device, Observer, Picture, Told, Viewer
from tests.faults.stand import FILES, PUSHED, Stand
from tests.waiting import until

RECOVERY_S = 90  # only a fault of the product takes so long
ANSWER = Script(pieces=tuple(f"{n} " for n in range(6000)), pause=0.05)


@dataclass(slots=True)
class Outcome:
    """What the observers of one fault noticed. Times are seconds; `told` since the fault began.

    `gaps` are the longest times without a new picture: by format, one for each viewer that the
    fault touches, who also missed the pictures of `lost`. `elsewhere` are the gaps of the others.
    """

    gaps: dict[str, list[float]] = field(default_factory=dict)
    elsewhere: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    oldest_live_s: float = 0.0
    backwards: int = 0
    text_s: float = 0.0
    differing: int = 0  # followers whose text is not that of the stored answer
    ended_after_s: list[float] = field(default_factory=list)  # of failed answers, elsewhere
    told: list[Told] = field(default_factory=list)


class Crew:
    """The observers of a stand. Each camera has a viewer on each web server, one in each format."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.clients = [ChatClient(web) for web in stand.webs]
        self.viewers = [
            Viewer(web, camera, name, stand.headers, v1=(n + m) % 2 == 0)
            for n, web in enumerate(stand.webs)
            for m, (name, camera) in enumerate(stand.cameras.items())
        ]
        self.callers = [
            Caller(web, stand.cameras[FILES[0]], stand.headers, stand.session) for web in stand.webs
        ]
        self.device = Device(stand.webs[0], stand.cameras[PUSHED], stand.headers)
        self.followers: list[Follower] = []
        self._owned = contextlib.ExitStack()

    def __enter__(self) -> Crew:
        with contextlib.ExitStack() as stack:
            for client in self.clients:
                stack.callback(client.api.close)
            for each in (*self.viewers, *self.callers, self.device):
                stack.enter_context(each)
            self.wait_until_served(time.monotonic())
            self._owned = stack.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._owned.close()

    @property
    def observers(self) -> list[Observer]:
        return [*self.viewers, *self.callers, self.device, *self.followers]

    def forget(self) -> None:
        """Forget what was observed before, but for the newest picture of each viewer."""
        for each in self.observers:
            each.told.clear()
        for viewer in self.viewers:
            del viewer.pictures[:-1]
        for caller in self.callers:
            caller.calls.clear()

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Two running answers, one made by each web server; each is followed from both."""
        self.stand.model.script = ANSWER
        with contextlib.ExitStack() as stack:
            for n, web in enumerate(self.stand.webs):
                chat = self.clients[n].chat()
                maker = stack.enter_context(Follower(web, self.clients[n], chat))
                until(lambda maker=maker: maker.text, 60, "an answer")
                other = Follower(self.stand.webs[1 - n], self.clients[1 - n], chat, maker.message)
                self.followers += [maker, stack.enter_context(other)]
                until(lambda other=other: other.text, 60, "the answer from elsewhere")
            yield
        self.followers.clear()

    def wait_until_served(self, since: float) -> None:
        """Wait until everything works, as seen by all observers since then."""

        def served() -> bool:
            for each in self.observers:
                if each.failure:
                    raise each.failure
            return not self._waiting(since) and self.stand.is_balanced()

        try:
            until(served, RECOVERY_S, "the recovery")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._waiting(since)}") from None

    def _waiting(self, since: float) -> list[str]:
        """Who is not served as usual since then, and what they were told last."""
        waiting: list[Observer] = [one for one in self.viewers if not one.is_live(since)]
        waiting += [one for one in self.callers if not one.is_served(since)]
        waiting += [one for one in self.followers if not one.is_served(since)]
        return [f"{one}, told {[told.what for told in one.told[-3:]]}" for one in waiting]

    def end_answers(self) -> None:
        """Stop the answers that still run, and wait for their ends."""
        for follower in self.followers:
            if follower.asks and not follower.is_done:
                self.clients[0].stop(follower.chat, follower.message)
        until(lambda: all(each.is_done for each in self.followers), RECOVERY_S, "their ends")


def play(crew: Crew, fault: Fault, number: int) -> Outcome:
    """Play a fault, wait until everything works again, and return what was noticed."""
    with crew.following():
        crew.forget()
        began = time.monotonic()
        struck = fault.begin(crew.stand, number)
        time.sleep(fault.hold_s)
        struck.end()
        crew.wait_until_served(time.monotonic())
        crew.end_answers()
        return measure(crew, struck, began)


def missed(first: Picture, second: Picture) -> int:
    """How many pictures a camera made between two that arrived one after the other."""
    return max(0, round((second.taken - first.taken) / 1000 / PERIOD_S) - 1)


def measure(crew: Crew, struck: Struck, began: float) -> Outcome:
    """Measure what the observers noticed since then."""
    found = Outcome()
    for viewer in crew.viewers:
        pictures = list(viewer.pictures)
        gap = max((b.at - a.at for a, b in pairwise(pictures)), default=0.0)
        if viewer.web in struck.webs or viewer.name in struck.cameras:
            found.gaps.setdefault(viewer.format, []).append(gap)
            found.lost.append(sum(missed(*pair) for pair in pairwise(pictures)))
        else:
            found.elsewhere.append(gap)
        found.backwards += sum(b.is_before(a) for a, b in pairwise(pictures))
        ages = [a.age_s + min(a.shown_s, b.at - a.at) for a, b in pairwise(pictures)]
        found.oldest_live_s = max(found.oldest_live_s, *ages)
    for follower in crew.followers:
        stored = crew.clients[0].last(follower.chat)["content"]
        found.differing += follower.text != stored
        found.backwards += follower.backwards
        found.text_s = max(found.text_s, follower.taken_back_s())
        is_elsewhere = follower.web not in struck.webs
        if is_elsewhere and follower.status == "failed" and follower.ended_at is not None:
            found.ended_after_s.append(follower.ended_at - began)
    for observer in crew.observers:
        found.told += [Told(each.at - began, each.who, each.what) for each in observer.told]
    return found
