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
