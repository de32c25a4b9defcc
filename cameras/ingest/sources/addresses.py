"""Validation, parsing and redaction of source strings. Nothing is resolved or dialed here.

An address is parsed once, by `Address.parse`. Everything that leaves this process (the URL for
FFmpeg, the host to resolve, the text on a page) is rebuilt from its parts, so that no second parser
can read the same string differently.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from cameras.ingest.sources.address_rules import literal, place, rule

KINDS = ("rtsp", "http", "device", "file", "push", "demo")
SCHEMES = {"rtsp": ("rtsp", "rtsps"), "http": ("http", "https")}
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
MAX_LENGTH = 2000

_DEVICE = re.compile(r"(?:/dev/video)?([0-9]|[1-5][0-9]|6[0-3])", re.ASCII)
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://"
    r"(?:(?P<user>[^\s:@/?#\[\]\\]*)(?::(?P<password>[^\s@/?#\[\]\\]*))?@)?"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:[/?][^\s#\\]*)?)"
    r"(?:#[^\s@\\]*)?",  # for other programs, such as #backchannel=0; it is dropped
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(?P<word>[a-z0-9_-]+):(?=[a-z]+://)", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


class SourceError(ValueError):
    """A source that cannot be used. `sentence` is plain text and never holds a password."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed rtsp(s) or http(s) address. `user` and `password` are decoded, or None."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, kind: str, source: str) -> Address:
        """Raises `SourceError` for anything that two parsers might read in two ways.

        Spaces around it and a fragment, as other programs write them, are dropped.
        """
        source = source.strip(" \t")
        if prefix := _PREFIX.match(source):
            raise SourceError(
                f"The address begins with {prefix['word']}:, which is meant for another program; "
                f"leave it out, so that the address begins with {SCHEMES[kind][0]}://."
            )
        found = _ADDRESS.fullmatch(source)
        if not found or any(ord(c) < 33 or ord(c) == 127 or c in "\"'`<>" for c in source):
            raise SourceError(
                "This is not a complete address, such as "
                f"{SCHEMES[kind][0]}://user:password@192.168.1.20/stream. Special characters in "
                "a user name or password are written as %40 for @, %23 for #, %2F for /."
            )
        scheme = found["scheme"].lower()
        if scheme == "rtspx" and kind == "rtsp":
            raise SourceError(
                "The address begins with rtspx://, which only one other program knows; write "
                "rtsps:// instead."
            )
        if scheme not in SCHEMES[kind]:
            raise SourceError(f"The address must begin with {' or '.join(SCHEMES[kind])}://.")
        port = int(found["port"] or DEFAULT_PORTS[scheme])
        if not 0 < port < 65536:
            raise SourceError("The port must be between 1 and 65535.")
        host = found["host"].strip("[]").lower().removesuffix(".")
        if literal(host) is None:
            bad = ":" in host or len(host) > 253 or re.fullmatch(r"[0-9.]*|.*\.[0-9]+", host)
            if bad or not all(map(_LABEL.fullmatch, host.split("."))):
                raise SourceError("The host name in the address is not valid.")
        user, password = (
            None if found[part] is None else unquote(found[part]) for part in ("user", "password")
        )
        if any(ord(c) < 32 or ord(c) == 127 for c in (user or "") + (password or "")):
            raise SourceError("The user name or password holds a control character.")
        return cls(scheme, user, password, host, port, found["path"])

    def url(self, host: str | None = None, *, credentials: bool = True) -> str:
        """The address rebuilt from its parts, with `host` (a checked IP) in the host's place."""
        login = ""
        if credentials and self.user is not None:
            login = quote(self.user, safe="")
            login += "" if self.password is None else ":" + quote(self.password, safe="")
            login += "@"
        shown = host or self.host
        shown = f"[{shown}]" if ":" in shown else shown
        return f"{self.scheme}://{login}{shown}:{self.port}{self.path}"


def check(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str] = frozenset(),
) -> None:
    """Raise `SourceError` where `source` cannot be a source of `kind`. Looks at files, not nets.

    `listed` and `allow_loopback` are as in `address_rules.Rule`.
    """
    if kind not in KINDS:
        raise SourceError("The kind of source is not known.")
    if len(source) > MAX_LENGTH:
        raise SourceError("The source is longer than 2,000 characters.")
    if kind in ("push", "demo"):
        if source:
            raise SourceError("This kind of camera has no source of its own; leave it empty.")
    elif kind == "device":
        device_index(source)
    elif kind == "file":
        file_path(source, media_root)
    else:
        address = Address.parse(kind, source)
        check_host(address, allow_loopback=allow_loopback, listed=listed)


def check_host(
    address: Address, *, allow_loopback: bool, listed: frozenset[str] = frozenset()
) -> None:
    """Refuse literal spellings of forbidden addresses, and localhost."""
    try:
        now = rule(allow_loopback=allow_loopback, listed=listed)
    except OSError:
        raise SourceError("This server cannot tell its own addresses from others.") from None
    if not now.permits_literal(address.host, address.port):
        raise SourceError(
            "Addresses of this server itself and link-local addresses are closed. "
            + listing(address)
        )


def listing(address: Address) -> str:
    """What can be done about an address that is closed, as a sentence."""
    where = place(address.host, address.port)
    return f"Who runs the server can list {where} in SIDELINE_CAMERA_SERVERS."


def device_index(source: str) -> int:
    """`"0"` or `"/dev/video0"` as a number, 0 to 63."""
    found = _DEVICE.fullmatch(source)
    if not found:
        raise SourceError("A device is a number from 0 to 63, or a path such as /dev/video0.")
    return int(found[1])


def file_path(source: str, media_root: Path) -> Path:
    """The real path of a file inside `media_root`, the folder of one organization.

    Symbolic links may not lead out of it. What lies outside is as what does not exist.
    """
    outside = source.startswith(("/", "~")) or ".." in Path(source).parts
    if not source or outside or "\\" in source or not source.isprintable():
        raise SourceError("A file is named by its path inside the organization's media folder.")
    with suppress(OSError, RuntimeError):  # a name that is too long, a loop of links
        root = media_root.resolve()
        path = (root / source).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path
    raise SourceError("There is no such file in the organization's media folder.")


def redact(source: str) -> str:
    """The source without its password, and without what may be one. Never raises.

    An address that can be used is shown without its fragment, too.
    """
    source = source.strip(" \t")
    if len(source) > MAX_LENGTH:
        return MASK  # it is none
    scheme, separator, rest = source.partition("://")
    if not separator:
        scheme, rest = "", source
    whole = _ADDRESS.fullmatch(source) is not None
    if whole:
        rest = rest.partition("#")[0]
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    cut = authority.rfind("@") if whole else rest.rfind("@")
    login = ""
    if cut >= 0:
        user, colon, _ = rest[:cut].partition(":")
        user = user if colon or whole else ""
        login = (f"{user}:{MASK}" if colon else user or MASK) + "@"
        rest = rest[cut + 1 :]
    # Without a scheme it is a device, or a file, and may have any name.
    shown = re.split(r"[/?#\\;]" if separator else "[?]", rest, maxsplit=1)[0]
    return scheme + separator + login + shown + masked(rest[len(shown) :])


def join_login(address: str, user: str, password: str) -> str:
    """The address with the login in it, encoded. One that holds a login already stays as it is.

    Nothing else is changed, so that the result is valid where the address is.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or not (user or password) or _LOGIN.match(address):
        return address
    login = quote(user, safe="") + (":" + _quoted(password) if password else "")
    return f"{scheme}://{login}@{rest}"


def split_login(address: str) -> tuple[str, str, str]:
    """The address without its login, the user name and the password, decoded; empty without."""
    found = _LOGIN.match(address)
    if not found:
        return address, "", ""
    user, _, password = found[2].partition(":")
    return found[1] + address[found.end() :], unquote(user), unquote(password)


def _quoted(password: str) -> str:
    return MASK if password == MASK else quote(password, safe="")


MASK = "•••"
_LOGIN = re.compile(r"([A-Za-z]+://)([^/?#\\@]*)@")

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

    Folders are shown; in a query or a fragment, what has no key is not.
    """
    parts = re.split("([/?&;#])", text)
    query = next((n for n, part in enumerate(parts) if part in ("?", "#")), len(parts))
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
