"""What is written down. The admin's filter offers these; a new kind of deed adds a line."""

from __future__ import annotations

from enum import StrEnum


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
