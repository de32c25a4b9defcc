from cameras.models.cameras import Camera, Kind
from cameras.models.clocks import PushClock
from cameras.models.keys import StreamKey
from cameras.models.parts import WeightsPart
from cameras.models.passes import ShareLink, Ticket, Visit
from cameras.models.states import CameraState, CameraStill
from cameras.models.weights import Weights

__all__ = [
    "Camera",
    "CameraState",
    "CameraStill",
    "Kind",
    "PushClock",
    "ShareLink",
    "StreamKey",
    "Ticket",
    "Visit",
    "Weights",
    "WeightsPart",
]
