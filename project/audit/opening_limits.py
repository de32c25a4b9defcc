"""How many connections and views one credential may open.

Each view is a row that is kept for a year, and each connection costs work. A wall of 60 cameras on
ten screens reconnects at once after a restart, which is within the limits.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from redis import RedisError

from project.accounts.authentication import Denied
from project.accounts.credentials import Credential
from project.accounts.throttling.windows import count_in_window
from project.audit.open_views import View
from project.audit.requesters import Requester
from project.problems import problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in each window of `seconds`."""

    what: str
    most: int
    seconds: int


# Of one person: a session, a token, a visit of a share link.
CONNECTIONS = Limit("connections", 600, 60)
VIEWS = Limit("views", 1000, 3600)
# Of a credential that many people use: a stream key on a page, all visits of a share link.
SHARED_CONNECTIONS = Limit("connections", 3000, 60)
SHARED_VIEWS = Limit("views", 5000, 3600)


class TooManyOpenings(Denied):
    """A limit is reached: 429, with Retry-After. Its text is a sentence.

    `retry_after`: seconds until the next window begins. Sockets close with 4429 and the sentence.
    """

    def __init__(self, limit: Limit, retry_after: int) -> None:
        every = "a minute" if limit.seconds == 60 else "an hour"
        sentence = f"More than {limit.most:,} {limit.what} {every} were opened with one credential."
        response = problem(429, sentence)
        response["Retry-After"] = str(retry_after)
        super().__init__(response)
        self.args, self.retry_after = (sentence,), retry_after


def claim_opening(view: View, *, is_new: bool, lasting: bool) -> None:
    """Count an opening: `lasting` ones as connections, `is_new` ones as views, too.

    Counted in the cache: with Redis for all processes together, else for each process. While Redis
    cannot be reached, nothing is limited. Synchronous. Raises `TooManyOpenings`.
    """
    for credential, is_shared in _holders(view.requester):
        if lasting:
            _claim(credential, SHARED_CONNECTIONS if is_shared else CONNECTIONS)
        if is_new:
            _claim(credential, SHARED_VIEWS if is_shared else VIEWS)


def _holders(requester: Requester) -> Iterator[tuple[Credential, bool]]:
    """Yield the credentials to count for, and whether many people use each."""
    if requester.user is not None:
        yield requester.holder, False
        return
    chain = (requester.credential, *requester.parents)
    *own, shared = chain[1:] if requester.one_use and requester.parents else chain
    for credential in own:
        yield credential, False
    yield shared, True


def _claim(credential: Credential, limit: Limit) -> None:
    digest = hashlib.sha256("\0".join(credential).encode()).hexdigest()  # a session key is secret
    try:
        retry_after = count_in_window(f"{limit.what}-{digest}", limit.most, limit.seconds)
    except (RedisError, OSError) as error:
        log.warning("openings cannot be counted: %s", error)
        return
    if retry_after:
        log.info("a credential of kind %s opened too many %s", credential.kind, limit.what)
        raise TooManyOpenings(limit, retry_after)
