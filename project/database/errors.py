"""Which exceptions mean that the database or the disk cannot be used just now.

Everything else, such as a missing table or a violated constraint, is a fault of the program.
"""

from __future__ import annotations

import errno
import sqlite3

import psycopg
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import utils
from psycopg import errors

_KINDS = (  # PostgreSQL reports a read-only transaction as an internal error
    utils.OperationalError,
    utils.InternalError,
    psycopg.OperationalError,
    psycopg.InternalError,
    sqlite3.OperationalError,
)
# The first two characters of PostgreSQL's error codes: lost connection, no resources (disk full,
# too many connections), operator's intervention (shutdown, start, cancelled), system error.
_POSTGRES_CLASSES = ("08", "53", "57", "58")
_POSTGRES_CODES = (
    errors.LockNotAvailable.sqlstate,
    errors.ReadOnlySqlTransaction.sqlstate,  # a standby, or a server that protects a full disk
)
_SQLITE_CODES = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
)
# The database's own later errors, and those of Django where a session was not written.
_FOLLOWERS = (utils.Error, psycopg.Error, sqlite3.Error, UpdateError, SessionInterrupted)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def unavailability(error: BaseException | None) -> BaseException | None:
    """Return the error that says that database or disk cannot be used; None if it is another fault.

    It may be the cause of `error`, or what was handled when one of `_FOLLOWERS` was raised. Another
    error that is raised then may be a fault of the program.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if _is_unavailable(error):
            return error
        seen.add(id(error))
        follows = isinstance(error, _FOLLOWERS)
        error = error.__cause__ or (error.__context__ if follows else None)
    return None


def _is_unavailable(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DISK_FULL
    if not isinstance(error, _KINDS):
        return False
    origin = error.__cause__ if isinstance(error, utils.Error) else error
    if isinstance(origin, sqlite3.Error):
        # The low byte is the primary code; Python's own errors have none.
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
    if isinstance(origin, psycopg.Error) and origin.sqlstate is not None:
        return origin.sqlstate.startswith(_POSTGRES_CLASSES) or origin.sqlstate in _POSTGRES_CODES
    # The server did not say it: there is no connection, it was lost, or no answer came in time.
    return isinstance(origin, psycopg.OperationalError)
