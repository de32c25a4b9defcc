"""Logging configuration: levels, redaction of secrets, brief entries for errors of peers."""

import logging
import re

from django.core.exceptions import RequestAborted

MAX_MESSAGE = 2000  # characters; clients choose parts of messages, such as the request path
CUT = "…"

# What follows one of these paths is a credential: a one-time link, a share link or a stream key.
# deploy/nginx.conf masks the same paths in its log.
SECRET_PATHS = "signin|invitations|shared|ws/stream|ws/publish"
_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

# These run on the event loop over text from clients. Each begins with a fixed word, so a long text
# costs linear time. A password cut off by `MAX_MESSAGE` has CUT instead of @ after it.
_SECRETS = (
    (re.compile(rf"(?P<keep>://[^\s/:@]*:)[^\s@/]+(?=[@{CUT}])"), r"\g<keep>•••"),
    (
        re.compile(r"(?P<keep>(?:ticket|token|key|password|pwd|pass)=)[^\s&\"']+", re.I),
        r"\g<keep>•••",
    ),
    (re.compile(r"(?P<keep>\bBearer )\S+", re.I), r"\g<keep>•••"),
    (re.compile(r"(?P<keep>\bBasic )[\w+/=-]{8,}", re.I), r"\g<keep>•••"),
    (re.compile(r"(?P<keep>\b(?:sk|sv)_)[\w-]{8,}"), r"\g<keep>•••"),
    # Characters may be percent-encoded. The names of two pages and the ids of cameras are shown.
    (
        re.compile(
            rf"(?P<keep>/(?:{SECRET_PATHS})/)(?!(?:code|forgotten|{_ID})(?![\w:%.=/-]))[\w:%.=/-]+",
            re.IGNORECASE,
        ),
        r"\g<keep>•••",
    ),
)


class RedactingFormatter(logging.Formatter):
    """Masks passwords in URLs, tickets, tokens, stream keys, one-time links and share links."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for pattern, replacement in _SECRETS:
            line = pattern.sub(replacement, line)
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Cut the message, but not the traceback that `format` adds."""
        if (more := len(record.message) - MAX_MESSAGE) > 0:
            record.message = f"{record.message[:MAX_MESSAGE]}{CUT} ({more} characters more)"
        return super().formatMessage(record)


class PeerErrors(logging.Filter):
    """Logs errors that a peer caused in one line, without a traceback."""

    KINDS = frozenset({"ConnectionError", "SuspiciousOperation", "PermissionDenied"})

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RequestAborted):
            return False  # the client disconnected during shutdown
        if error is not None and self.KINDS & {kind.__name__ for kind in type(error).__mro__}:
            message = record.getMessage()
            has_reason = str(error) in message
            record.msg, record.args = message if has_reason else f"{message} ({error})", ()
            record.exc_info = record.exc_text = None
        return True


class TemporaryRefusals(logging.Filter):
    """Drops Django's entry of each response with 503: the outage, or the camera's state, is known.

    A program that polls the snapshot of a camera that is off would fill the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name != "django.request" or getattr(record, "status_code", 0) != 503


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "project.settings.logging.RedactingFormatter",
            "format": "{asctime} {levelname:<7} {name}: {message}",
            "style": "{",
        }
    },
    "filters": {
        "brief": {"()": "project.settings.logging.PeerErrors"},
        "refusals": {"()": "project.settings.logging.TemporaryRefusals"},
        "outages": {"()": "project.database.health.OutageFilter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["outages", "refusals", "brief"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "cameras": {"level": "INFO"},
        "chats": {"level": "INFO"},
        "httpx": {"level": "WARNING"},
        "project": {"level": "INFO"},
        "daphne": {"level": "WARNING"},
        "psycopg.pool": {"level": "ERROR"},  # its warnings of lost connections: see the filter
        "django.server": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
    },
}
