"""Entries of the audit log: what can be logged, how it is written, and how changes are described.

An entry has old and new values, but never a secret or a long text.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any, TypeVar

from django.db import models

from project.accounts.credentials import Actor, describe_credentials
from project.accounts.models import Organization, User
from project.audit.models import AuditEntry, CameraLike, single_line
from project.audit.requesters import Requester, RequestOrScope


def log_action(
    origin: RequestOrScope | Requester | None,
    action: Action,
    subject: object,
    organization: Organization | None = None,
    *,
    camera: CameraLike | None = None,
    actor: Actor | None = None,
    detail: str = "",
) -> None:
    """Write an entry: the requester of `origin` did `action` to `subject`.

    `origin` is a request (page, API or admin), a socket's scope, a `Requester`, or None for a
    management command. Pass `actor` in async views and for sockets, where the request does not
    know it. The organization defaults to the camera's. Never put a secret or a prompt into
    `subject` (cut to 200 characters) or `detail` (300).

    Synchronous: one INSERT. Call it in the transaction of the action, so that one is never stored
    without the other.
    """
    requester = origin if isinstance(origin, Requester) else Requester.of(origin, actor)
    if camera is not None and organization is None:
        organization = camera.organization
    AuditEntry.objects.create(
        **requester.as_fields(describe_credentials([requester.holder])),
        organization=organization,
        organization_name=organization.name if organization else "",
        action=action,
        subject=single_line(subject, 200),
        camera_id=camera.pk if camera else None,
        detail=single_line(detail, 300),
    )


def sole_organization(user: User | None) -> Organization | None:
    """Return the organization of a user who is a member of exactly one, else None.

    Its administrators see entries about the user.
    """
    organizations = list(Organization.objects.filter(memberships__user=user)[:2]) if user else []
    return organizations[0] if len(organizations) == 1 else None


def log_account_action(
    origin: RequestOrScope | Requester | None, action: Action, user: User, detail: str = ""
) -> None:
    """Write an entry about a user's account; see `log_action` and `sole_organization`."""
    log_action(origin, action, user.username, sole_organization(user), detail=detail)


class Action(StrEnum):
    """An action as the log names it, at most 60 characters. Rows keep the text for years: add
    actions, do not reword them."""

    # Pictures. The first four have a start and an end.
    WATCH = "watch"
    WATCH_MJPEG = "watch as MJPEG"
    STILLS = "see stills"
    PUBLISH = "publish"
    SNAPSHOT = "take snapshot"

    # Signing in and out
    SIGN_IN = "sign in"
    SIGN_IN_FAILED = "fail to sign in"
    LOCKED_OUT = "be locked out"
    SIGN_OUT = "sign out"
    PASSWORD = "set password"
    ASK_RESET = "ask for a password reset"
    SECOND_FACTOR = "change second factor"
    SIGN_IN_LINK = "make sign-in link"

    # Credentials
    MAKE_TOKEN = "make token"
    REVOKE_TOKEN = "revoke token"
    MAKE_KEY = "make stream key"
    REVOKE_KEY = "revoke stream key"
    MAKE_LINK = "make share link"
    REVOKE_LINK = "revoke share link"
    OPEN_LINK = "open share link"

    # Users and their rights
    INVITE = "invite"
    REVOKE_INVITATION = "revoke invitation"
    ACCEPT_INVITATION = "accept invitation"
    ADD_MEMBER = "add member"
    CHANGE_ROLE = "change role"
    REMOVE_MEMBER = "remove member"
    TAKE_OVER = "take over keys and links"
    ADD_PERSON = "add person"
    CHANGE_PERSON = "change person"
    REMOVE_PERSON = "remove person"

    # Settings
    ADD_ORGANIZATION = "add organization"
    CHANGE_ORGANIZATION = "change organization"
    REMOVE_ORGANIZATION = "remove organization"
    ADD_CAMERA = "add camera"
    CHANGE_CAMERA = "change camera"
    CHANGE_SOURCE = "change source"
    CHANGE_MASKS = "change masks"
    REMOVE_CAMERA = "remove camera"
    GRANT_DEVICE = "grant device"
    WITHDRAW_DEVICE = "withdraw device"
    CHANGE_MODEL = "change model"
    CHANGE_ASSISTANT = "change assistant"

    # Chats
    ASK = "ask"
    EXPORT_CHAT = "export chat"
    READ_CHAT = "read chat"
    SEARCH_CHATS = "search chats"
    ERASE_CHATS = "erase chats"

    # The whole installation
    TAKE_BACKUP = "take backup"
    RESTORE_BACKUP = "restore backup"

    # The log itself
    READ_LOG = "read log"
    EXPORT_LOG = "export log"


M = TypeVar("M", bound=models.Model)

SECRET_PREFIXES = ("password", "digest", "sealed_", "secret")  # of columns without values here
MAX_VALUE = 60  # characters


def fetch_stored(row: M) -> M | None:
    """Load the row as it is before a form or serializer saves it; None for a new row."""
    return type(row)._default_manager.filter(pk=row.pk).first()


def differences(before: models.Model, after: models.Model, without: Collection[str] = ()) -> str:
    """Describe changed fields: `name: A → B; zone: UTC → Europe/Berlin`. Empty if none changed."""
    parts = []
    for field in after._meta.concrete_fields:
        old, new = getattr(before, field.attname), getattr(after, field.attname)
        if field.name in without or old == new:
            continue
        label = str(field.verbose_name).removeprefix("sealed ")
        is_hidden = field.name.startswith(SECRET_PREFIXES) or isinstance(field, models.TextField)
        parts.append(label if is_hidden else f"{label}: {_value_text(old)} → {_value_text(new)}")
    return "; ".join(parts)


def _value_text(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return single_line(", ".join(map(str, value)) if isinstance(value, list) else value, MAX_VALUE)
