"""What of an address's path and query may be shown: they may hold a login, in a hundred spellings.

So it is not asked what looks like a secret, but what is known to be none.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

MASK = "•••"

_PLAIN = re.compile(r"[A-Za-z0-9.,-]{0,24}")
_KEY = re.compile(r"[\w.%\[\]-]{1,40}", re.ASCII)
_SIGNS = ":=@/?&;_"
# What says which picture is wanted, and for whom.
_SHOWN = frozenset(
    "channel channelid channel_id ch cam camera chn subtype stream streamtype stream_type profile "
    "resolution res size width height w h fps rate bitrate quality compression codec videocodec "
    "format audio video unicast multicast proto transportmode real_stream main sub "
    "user usr username login loginuse".split()
)


def masked(text: str) -> str:
    """A path and a query: values of keys that are not known, and `name:password`, are masked.

    Folders are shown; in a query, what has no key is not.
    """
    parts = re.split("([/?&;#])", text)
    query = parts.index("?") if "?" in parts else len(parts)
    return "".join(_masked(part, open=n < query) for n, part in enumerate(parts))


def _masked(part: str, *, open: bool) -> str:
    """What lies between two separators. `open`: it is of a path, where it may have no key."""
    if not part or part in "/?&;#":
        return part
    if any(sign in unquote(part) and sign not in part for sign in _SIGNS):
        return MASK
    shown = ""
    while True:
        key, equals, value = part.partition("=")
        if not equals:
            return shown + _masked_word(part, open=open and not shown)
        if not _KEY.fullmatch(key):
            return shown + MASK
        if key.lower() not in _SHOWN:
            return f"{shown}{key}={MASK}"
        value, more, part = value.partition("_")  # some makers join by it
        name, colon, _ = value.partition(":")
        if colon or not _PLAIN.fullmatch(value):
            return f"{shown}{key}=" + (f"{name}:{MASK}" if _PLAIN.fullmatch(name) else MASK)
        shown += f"{key}={value}{more}"
        if not more:
            return shown


def _masked_word(word: str, *, open: bool) -> str:
    """What has no key: the name of a folder, or `name:password`, or anything."""
    if "@" in word:
        return MASK
    name, colon, _ = word.partition(":")
    if colon:
        return f"{name}:{MASK}"
    return word if open or word.lower() in _SHOWN else MASK
