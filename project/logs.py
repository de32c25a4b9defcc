"""Log lines without secrets."""

import logging
import re

_SECRETS = (
    (re.compile(r"(?P<keep>[a-z]+://[^\s/:@]+:)[^\s@/]+(?=@)"), r"\g<keep>•••"),
    (
        re.compile(r"(?P<keep>(?:ticket|token|key|password|pwd|pass)=)[^\s&\"']+", re.I),
        r"\g<keep>•••",
    ),
    (re.compile(r"(?P<keep>\bBearer )\S+", re.I), r"\g<keep>•••"),
    (re.compile(r"(?P<keep>\bsk_)[\w-]{8,}"), r"\g<keep>•••"),
    (re.compile(r"(?P<keep>/signin/)[\w-]{8,}"), r"\g<keep>•••"),
)


class RedactingFormatter(logging.Formatter):
    """Masks passwords in URLs, tickets, bearer tokens, stream keys and sign-in links."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for pattern, replacement in _SECRETS:
            line = pattern.sub(replacement, line)
        return line


class BriefConnectionLoss(logging.Filter):
    """A peer that is away is one line, not a traceback at every try."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None and any(c.__name__ == "ConnectionError" for c in type(error).__mro__):
            record.msg, record.args = f"{record.getMessage()} ({error})", ()
            record.exc_info = record.exc_text = None
        return True
