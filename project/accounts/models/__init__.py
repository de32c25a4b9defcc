from project.accounts.models.one_time_links import Invitation, SignInLink
from project.accounts.models.organizations import Membership, Organization, Role, User
from project.accounts.models.passes import Pass
from project.accounts.models.second_factor import RecoveryCode, SecondFactor
from project.accounts.models.tokens import Token

__all__ = [
    "Invitation",
    "Membership",
    "Organization",
    "Pass",
    "RecoveryCode",
    "Role",
    "SecondFactor",
    "SignInLink",
    "Token",
    "User",
]
