"""One deed, written down where it is done; and what was changed, in words.

Old and new values, but never a secret and never a long text.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any, TypeVar

from django.db import models

from project.accounts.access import Actor, words_for
from project.accounts.models import Organization, User
from project.audit.askers import Asker, Way
from project.audit.models import AuditEntry, Watched, line


def note(
    way: Way | Asker | None,
    action: Action,
    subject: object,
    organization: Organization | None = None,
    *,
    camera: Watched | None = None,
    actor: Actor | None = None,
    detail: str = "",
) -> None:
    """Write down that who is behind `way` did something to `subject`.

    `way` is the request (of a page, of the API, of the admin), a socket's scope, an `Asker`, or
    None for a command. `actor` is what the door found, where the request itself does not know: in
    async views and sockets. A `camera` brings its organization along. Never put a secret or a
    prompt into `subject` (200 characters) or `detail` (300).

    Synchronous: one INSERT. Call it inside the transaction of the deed, so that there is neither
    without the other; where it raises, the deed has not been done.
    """
    asker = way if isinstance(way, Asker) else Asker.of(way, actor)
    if camera is not None and organization is None:
        organization = camera.organization
    AuditEntry.objects.create(
        **asker.facts(words_for([asker.credential])),
        organization=organization,
        organization_name=organization.name if organization else "",
        action=action,
        subject=line(subject, 200),
        camera_id=camera.pk if camera else None,
        detail=line(detail, 300),
    )


def home_of(user: User | None) -> Organization | None:
    """A person's organization, where there is exactly one: its administrators see the entry."""
    homes = list(Organization.objects.filter(memberships__user=user)[:2]) if user else []
    return homes[0] if len(homes) == 1 else None


class Action(StrEnum):
    """The word for a deed in the log, at most 60 characters. Rows keep it for years: add, and do
    not reword."""

    # Pictures. The first four last: they have a start and an end.
    WATCH = "watch"
    WATCH_MJPEG = "watch as MJPEG"
    STILLS = "see stills"
    PUBLISH = "publish"
    SNAPSHOT = "take snapshot"

    # Doors
    SIGN_IN = "sign in"
    SIGN_IN_FAILED = "fail to sign in"
    LOCKED_OUT = "be locked out"
    SIGN_OUT = "sign out"
    PASSWORD = "set password"
    ASK_RESET = "ask for a password reset"
    SECOND_FACTOR = "change second factor"
    SIGN_IN_LINK = "make sign-in link"

    # What lets others in
    MAKE_TOKEN = "make token"
    REVOKE_TOKEN = "revoke token"
    MAKE_KEY = "make stream key"
    REVOKE_KEY = "revoke stream key"
    MAKE_LINK = "make share link"
    REVOKE_LINK = "revoke share link"
    OPEN_LINK = "open share link"

    # People and what they may
    INVITE = "invite"
    REVOKE_INVITATION = "revoke invitation"
    ACCEPT_INVITATION = "accept invitation"
    ADD_MEMBER = "add member"
    CHANGE_ROLE = "change role"
    REMOVE_MEMBER = "remove member"
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


LASTING = (Action.WATCH, Action.WATCH_MJPEG, Action.STILLS, Action.PUBLISH)


M = TypeVar("M", bound=models.Model)

SECRET = ("password", "digest", "sealed_", "secret")  # such columns are named, not shown
VALUE_MOST = 60


def as_stored(row: M) -> M | None:
    """The row as it is before a form's or a serializer's values are saved; None for a new one."""
    return type(row)._default_manager.filter(pk=row.pk).first()


def differences(before: models.Model, after: models.Model, without: Collection[str] = ()) -> str:
    """`name: A → B; zone: UTC → Europe/Berlin`; empty where nothing differs."""
    parts = []
    for field in after._meta.concrete_fields:
        old, new = getattr(before, field.attname), getattr(after, field.attname)
        if field.name in without or old == new:
            continue
        called = str(field.verbose_name).removeprefix("sealed ")
        hidden = field.name.startswith(SECRET) or isinstance(field, models.TextField)
        parts.append(called if hidden else f"{called}: {_shown(old)} → {_shown(new)}")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return line(", ".join(map(str, value)) if isinstance(value, list) else value, VALUE_MOST)
