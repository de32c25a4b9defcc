from cameras.models.audit import AuditEntry, Viewing
from cameras.models.cameras import Camera, Kind
from cameras.models.clocks import PushClock
from cameras.models.credentials import Token
from cameras.models.invitations import Invitation
from cameras.models.keys import StreamKey
from cameras.models.organizations import Membership, Organization, Role, User
from cameras.models.parts import WeightsPart
from cameras.models.passes import ShareLink, Ticket, Visit
from cameras.models.second_factor import RecoveryCode, SecondFactor
from cameras.models.signing import SignInLink
from cameras.models.states import CameraState, CameraStill
from cameras.models.weights import Weights

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
    "RecoveryCode",
    "Role",
    "SecondFactor",
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
