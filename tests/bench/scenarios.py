"""The scenarios: number of viewers and cameras, frame rate, and slow or stalled viewers."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.contestants import CONTESTANTS, Contestant
from tests.bench.crowd import Group
from tests.bench.picture import SIZE

FPS = 15.0
_JSON = [
    "ours", "naive-core", "naive-pubsub", "uvicorn", "websockets", "ws", "picows", "asyncio", "c",
]  # fmt: skip
_BINARY = [
    "ours-binary", "uvicorn-binary", "websockets-binary", "ws-binary", "picows-binary",
    "asyncio-binary", "c-binary", "c-binary-mute",
]  # fmt: skip
_BOTH = [*_JSON, "ours-binary", "c-binary"]
_BOUNDED = ["ours", "ours-binary", "naive-pubsub", "uvicorn", "uvicorn-binary", "websockets", "ws"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. `fps` 0 is the closed loop; `field` are the contestants without `--only`.

    `seconds` is the shortest duration that shows the effect.
    """

    name: str
    title: str
    groups: tuple[Group, ...]
    field: list[str]
    fps: float = FPS
    seconds: float = 0

    def slow_bytes(self, contestant: Contestant) -> float:
        """Return bytes per second for a slow viewer: half of the stream."""
        message = SIZE if contestant.binary else SIZE * 4 / 3
        return self.fps * message / 2

    def reason_to_skip(self, contestant: Contestant) -> str:
        """Return why the contestant is not measured here; empty if it is."""
        viewers = sum(group.count for group in self.groups if group.kind == "healthy")
        if contestant.is_naive and self.fps * viewers > 4500:
            return f"not measured: {self.fps * viewers:,.0f} frames/s are beyond it on one core"
        return ""


def _of_one_camera(viewers: int, field: list[str]) -> Scenario:
    title = f"{viewers} viewer{'s' * (viewers > 1)} of one camera at {FPS:.0f} fps"
    return Scenario(str(viewers), title, (Group("healthy", viewers, 0),), field)


_HEALTHY = Group("healthy", 40, 0)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        _of_one_camera(1, _BOTH),
        _of_one_camera(10, _BOTH),
        _of_one_camera(100, [*_JSON, *_BINARY]),
        _of_one_camera(500, _BOTH),
        _of_one_camera(1000, _BOTH),
        Scenario(
            "cameras",
            f"16 cameras with 20 viewers each at {FPS:.0f} fps",
            tuple(Group("healthy", 20, number) for number in range(16)),
            _BOTH,
        ),
        Scenario(
            "saturated",
            "100 viewers of one camera, as fast as all of them get frames",
            (Group("healthy", 100, 0),),
            [*_JSON, *_BINARY],
            fps=0,
        ),
        Scenario("alone", f"40 viewers at {FPS:.0f} fps", (_HEALTHY,), _BOUNDED),
        Scenario(
            "stalled",
            f"the same 40, with 20 that never read, at {FPS:.0f} fps",
            (_HEALTHY, Group("stalled", 20, 0)),
            _BOUNDED,
            seconds=20,
        ),
        Scenario(
            "slow",
            f"20 viewers, and 10 that read half as fast as pictures are sent, at {FPS:.0f} fps",
            (Group("healthy", 20, 0), Group("slow", 10, 0)),
            _BOUNDED,
            seconds=15,
        ),
    )
}


def contestants(scenario: Scenario, only: list[str]) -> list[Contestant]:
    """Return the contestants named by `--only`, or all of the scenario."""
    return [CONTESTANTS[name] for name in only or scenario.field]
