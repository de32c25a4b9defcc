"""How many connections and views one credential may open.

Each view is a row that is kept for a year, and each connection costs work. A wall of 60 cameras on
ten screens reconnects at once after a restart, which is within the limits.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

from redis import RedisError

from project.accounts.authentication import Denied
from project.accounts.credentials import Credential
from project.accounts.throttling.windows import count_in_window
from project.audit.open_views import View
from project.problems import problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in each window of `seconds`: of one person's session, token or visit.

    `most_shared`: of what many people use, a stream key on a page or all visits of a share link.
    """

    what: str
    every: str
    seconds: int
    most: int
    most_shared: int


CONNECTIONS = Limit("connections", "a minute", 60, 600, 3000)
VIEWS = Limit("views", "an hour", 3600, 1000, 5000)


class TooManyOpenings(Denied):
    """A limit is reached: 429, with Retry-After. Its text is a sentence.

    `retry_after`: seconds until the next window begins. Sockets close with 4429 and the sentence.
    """

    def __init__(self, limit: Limit, most: int, retry_after: int) -> None:
        sentence = f"More than {most:,} {limit.what} {limit.every} were opened with one credential."
        response = problem(429, sentence)
        response["Retry-After"] = str(retry_after)
        super().__init__(response)
        self.args, self.retry_after = (sentence,), retry_after


def claim_opening(view: View, *, is_new: bool, lasting: bool) -> None:
    """Count an opening: `lasting` ones as connections, `is_new` ones as views, too.

    Counted in the cache: with Redis for all processes together, else for each process. While Redis
    cannot be reached, nothing is limited. Synchronous. Raises `TooManyOpenings`.
    """
    requester = view.requester
    limits = []
    if lasting:
        limits.append(CONNECTIONS)
    if is_new:
        limits.append(VIEWS)
    if requester.user is not None:
        _claim(requester.holder, limits, is_shared=False)
        return
    *own, shared = requester.chain
    for credential in own:
        _claim(credential, limits, is_shared=False)
    _claim(shared, limits, is_shared=True)


def _claim(credential: Credential, limits: list[Limit], *, is_shared: bool) -> None:
    digest = hashlib.sha256("\0".join(credential).encode()).hexdigest()  # a session key is secret
    for limit in limits:
        most = limit.most_shared if is_shared else limit.most
        try:
            retry_after = count_in_window(f"{limit.what}-{digest}", most, limit.seconds)
        except (RedisError, OSError) as error:
            log.warning("openings cannot be counted: %s", error)
            return
        if retry_after:
            log.info("a credential of kind %s opened too many %s", credential.kind, limit.what)
            raise TooManyOpenings(limit, most, retry_after)
