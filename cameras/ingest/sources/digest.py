"""Answers to a camera's request for a login: Digest (RFC 7616, 2617, 2069) and Basic.

HTTP and RTSP share the two schemes. `httpx.DigestAuth` is tied to httpx's requests, takes the first
Digest challenge instead of the strongest, and fails where it does not know the algorithm.

Challenges are a stranger's text: `MAX_VALUES` headers of `MAX_VALUE` characters are looked at, and
what is sent back is quoted anew. Text is UTF-8 with `surrogateescape`, so that bytes which are none
come back to the camera as they were.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

MAX_VALUES = 16
MAX_VALUE = 4096
MAX_CHALLENGES = 32

UNSUPPORTED = "The camera asks for a login by {}, which is not supported."

_PART = re.compile(
    r"(?P<gap>[\s,]*+)"
    r"(?:(?P<name>[\w!#$%&'*+.^`|~-]++)[ \t]*+=[ \t]*+"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<plain>[^\s,"]*+))'
    r'|(?P<word>[^\s,="]++)|.?)',  # it matches everywhere, so that no gap is searched twice
    re.ASCII,
)
_SHOWN = re.compile(r"[A-Za-z0-9/-]{1,24}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha512_256(data: bytes) -> str:
    return hashlib.new("sha512_256", data).hexdigest()


# The name without hyphens, as cameras spell it in several ways; and how strong it is.
_HASHES: dict[str, tuple[int, Callable[[bytes], str]]] = {"MD5": (1, _md5), "SHA256": (2, _sha256)}
if "sha512_256" in hashlib.algorithms_available:  # a matter of the machine's OpenSSL
    _HASHES["SHA512256"] = (2, _sha512_256)


@dataclass(slots=True)
class _Challenge:
    """One scheme that a server offers; the names of `values` are in lower case."""

    scheme: str
    values: dict[str, str] = field(default_factory=dict)
    used: int = 0  # requests signed with this nonce
    client_nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def algorithm(self) -> str:
        return self.values.get("algorithm", "MD5")

    @property
    def per_session(self) -> bool:
        return self.algorithm.lower().endswith("-sess")

    @property
    def known(self) -> tuple[int, Callable[[bytes], str]] | None:
        """The strength and the hash, or None for one that is not known."""
        name = self.algorithm.upper().removesuffix("-SESS")
        return _HASHES.get(re.sub("[-_/]", "", name))

    @property
    def protections(self) -> list[str]:
        return re.findall(r"[a-z-]+", self.values.get("qop", "").lower())

    @property
    def strength(self) -> int:
        """0: not usable; 1: Basic; more: Digest."""
        if self.scheme == "basic":
            return 1
        if self.scheme != "digest" or not self.known or not self.values.get("nonce"):
            return 0
        if self.protections and "auth" not in self.protections:
            return 0
        return 1 + self.known[0]

    @property
    def words(self) -> str:
        """What is offered, for a sentence."""
        if self.scheme != "digest":
            known = {"ntlm": "NTLM"}.get(self.scheme, self.scheme.capitalize())
            return known if _SHOWN.fullmatch(self.scheme) else "an unknown method"
        if not self.known:
            shown = self.algorithm if _SHOWN.fullmatch(self.algorithm) else "an unknown algorithm"
            return f"Digest with {shown}"
        return "Digest without a nonce" if not self.values.get("nonce") else "Digest with auth-int"


class Login:
    """The user name and password for one camera, and the challenge that it answers now."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._chosen: _Challenge | None = None
        self.unusable = ""
        self.stale = False

    @property
    def ready(self) -> bool:
        """Whether a challenge was chosen, so that `authorization` can be called."""
        return self._chosen is not None

    @property
    def sentence(self) -> str:
        """What to tell users where no offer was usable, else empty."""
        return UNSUPPORTED.format(self.unusable) if self.unusable else ""

    def challenge(self, values: Sequence[str]) -> bool:
        """Take the values of a response's WWW-Authenticate headers; choose the strongest offer.

        Of equally strong ones the first. Returns False where none is usable: `unusable` says in
        words what was offered, and a challenge chosen before stays. `stale` tells whether the
        camera refused only the nonce, so that the login need not be wrong.
        """
        offers = list(_challenges(values))
        best = max(offers, key=lambda offer: offer.strength, default=None)
        self.stale, self.unusable = False, ""
        if best is None or not best.strength:
            named = list(dict.fromkeys(offer.words for offer in offers))[:4]
            self.unusable = " or ".join(named) or "a method that it does not name"
            return False
        self.stale = best.values.get("stale", "").lower() == "true"
        if not self._chosen or self._chosen.values != best.values:
            self._chosen = best  # else the same nonce goes on, and so does its count
        return True

    def authorization(self, method: str, uri: str) -> str:
        """The value of the Authorization header for a request; `uri` as it stands in the request.

        Raises `RuntimeError` before a usable challenge.
        """
        offer = self._chosen
        if offer is None:
            raise RuntimeError("there was no challenge")
        if offer.scheme == "basic":
            return "Basic " + b64encode(_bytes(f"{self._user}:{self._password}")).decode()
        return self._digest(offer, method, uri)

    def _digest(self, offer: _Challenge, method: str, uri: str) -> str:
        if offer.known is None:
            raise RuntimeError("the algorithm is not known")
        given, nonce, own = offer.values, offer.values["nonce"], offer.client_nonce
        offer.used += 1
        count = f"{offer.used:08x}"

        def hashed(*parts: str) -> str:
            assert offer.known is not None
            return offer.known[1](_bytes(":".join(parts)))

        realm = given.get("realm", "")
        secret = hashed(self._user, realm, self._password)
        if offer.per_session:
            secret = hashed(secret, nonce, own)
        asked = hashed(method, uri)
        hide = given.get("userhash", "").lower() == "true"
        fields = {
            "username": _quoted(hashed(self._user, realm) if hide else self._user),
            "realm": _quoted(realm),
            "nonce": _quoted(nonce),
            "uri": _quoted(uri),
        }
        if offer.protections:
            fields["response"] = _quoted(hashed(secret, nonce, count, own, "auth", asked))
            fields |= {"qop": "auth", "nc": count, "cnonce": _quoted(own)}
        else:
            fields["response"] = _quoted(hashed(secret, nonce, asked))
            if offer.per_session:
                fields["cnonce"] = _quoted(own)
        if "algorithm" in given:
            fields["algorithm"] = given["algorithm"]
        if "opaque" in given:
            fields["opaque"] = _quoted(given["opaque"])
        if hide:
            fields["userhash"] = "true"
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())


def _challenges(values: Sequence[str]) -> Iterator[_Challenge]:
    """The offers in headers, each of which may hold several. What cannot be read is left out."""
    left = MAX_CHALLENGES
    for value in values[:MAX_VALUES]:
        offer: _Challenge | None = None
        for found in _PART.finditer(_CONTROL.sub(" ", value[:MAX_VALUE])):
            word, name = found["word"], found["name"]
            if word is not None:
                if offer and not offer.values and "," not in found["gap"]:
                    continue  # the token that belongs to the scheme before it, as NTLM's
                if offer:
                    yield offer
                left -= 1
                if left < 0:
                    return
                offer = _Challenge(word.lower())
            elif offer and name is not None:
                text = found["plain"] if found["quoted"] is None else found["quoted"]
                offer.values.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", text))
        if offer:
            yield offer


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
