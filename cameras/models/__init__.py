from cameras.models.audit import AuditEntry
from cameras.models.cameras import Camera, CameraState, CameraStill, Kind
from cameras.models.clocks import PushClock
from cameras.models.credentials import SignInLink, StreamKey, Token
from cameras.models.organizations import Membership, Organization, Role, User

__all__ = [
    "AuditEntry",
    "Camera",
    "CameraState",
    "CameraStill",
    "Kind",
    "Membership",
    "Organization",
    "PushClock",
    "Role",
    "SignInLink",
    "StreamKey",
    "Token",
    "User",
]
