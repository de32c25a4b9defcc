"""Log lines without secrets, and which are written."""

import logging
import re

from django.core.exceptions import RequestAborted

LONGEST = 2000  # characters of a message; strangers choose the path of a request, and more
CUT = "…"

# A stranger's text meets these on the loop: each begins with a fixed word, so that none is tried
# again from every letter of a long one. A password that was cut has no @ behind it any more.
_SECRETS = (
    (re.compile(rf"(?P<keep>://[^\s/:@]*:)[^\s@/]+(?=[@{CUT}])"), r"\g<keep>•••"),
    (
        re.compile(r"(?P<keep>(?:ticket|token|key|password|pwd|pass)=)[^\s&\"']+", re.I),
        r"\g<keep>•••",
    ),
    (re.compile(r"(?P<keep>\bBearer )\S+", re.I), r"\g<keep>•••"),
    (re.compile(r"(?P<keep>\b(?:sk|sv)_)[\w-]{8,}"), r"\g<keep>•••"),
    # One-time links, and share links: a signature after a colon, which may come percent-encoded.
    (re.compile(r"(?P<keep>/(?:signin|shared|invitations)/)[\w:%.=-]{8,}"), r"\g<keep>•••"),
    (re.compile(r"(?P<keep>/signin/reset/)[\w:%.=/-]+"), r"\g<keep>•••"),
)


class RedactingFormatter(logging.Formatter):
    """Masks passwords in URLs, tickets, tokens, stream keys, visits, and links that let in."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for pattern, replacement in _SECRETS:
            line = pattern.sub(replacement, line)
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback, which is ours and stays whole."""
        if (more := len(record.message) - LONGEST) > 0:
            record.message = f"{record.message[:LONGEST]}{CUT} ({more} characters more)"
        return super().formatMessage(record)


class OthersFaults(logging.Filter):
    """What a peer did, or failed to do, is one line: no traceback at every try or probe."""

    KINDS = frozenset({"ConnectionError", "SuspiciousOperation", "PermissionDenied"})

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RequestAborted):
            return False  # a peer has gone while we are stopping, and nobody is left to hear of it
        if error is not None and self.KINDS & {kind.__name__ for kind in type(error).__mro__}:
            said = record.getMessage()
            record.msg, record.args = said if str(error) in said else f"{said} ({error})", ()
            record.exc_info = record.exc_text = None
        return True


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
    "filters": {"brief": {"()": "project.settings.logging.OthersFaults"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["brief"]}
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "cameras": {"level": "INFO"},
        "chats": {"level": "INFO"},
        "httpx": {"level": "WARNING"},
        "project": {"level": "INFO"},
        "daphne": {"level": "WARNING"},
        "django.server": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
    },
}
