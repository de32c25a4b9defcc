from cameras.models.cameras import Camera, Kind
from cameras.models.detectors import Weights, WeightsPart
from cameras.models.local_sources import DeviceGrant
from cameras.models.share_links import ShareLink, Visit
from cameras.models.states import CameraState, CameraStill, PushClock
from cameras.models.stream_keys import StreamKey
from cameras.models.tickets import Ticket
from cameras.models.wall_layouts import WallLayout

__all__ = [
    "Camera",
    "CameraState",
    "CameraStill",
    "DeviceGrant",
    "Kind",
    "PushClock",
    "ShareLink",
    "StreamKey",
    "Ticket",
    "Visit",
    "WallLayout",
    "Weights",
    "WeightsPart",
]
