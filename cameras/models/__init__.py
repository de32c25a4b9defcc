from cameras.models.audit import AuditEntry, Viewing
from cameras.models.cameras import Camera, CameraState, CameraStill, Kind
from cameras.models.clocks import PushClock
from cameras.models.credentials import SignInLink, StreamKey, Token
from cameras.models.invitations import Invitation
from cameras.models.organizations import Membership, Organization, Role, User
from cameras.models.passes import ShareLink, Ticket, Visit
from cameras.models.weights import Weights, WeightsPart

__all__ = [
    "AuditEntry",
    "Camera",
    "CameraState",
    "CameraStill",
    "Invitation",
    "Kind",
    "Membership",
    "Organization",
    "PushClock",
    "Role",
    "ShareLink",
    "SignInLink",
    "StreamKey",
    "Ticket",
    "Token",
    "User",
    "Viewing",
    "Visit",
    "Weights",
    "WeightsPart",
]
