"""A pytest plugin, loaded first: the suite reads no setting and touches no data of its developer.

pytest-django reads Django's settings before any conftest, so this cannot live in one.
"""

from __future__ import annotations

import functools
import os
import tempfile

from httpx._config import DEFAULT_TIMEOUT_CONFIG
from httpx._transports import default as _httpx

from tests.prepared import is_setting
from tests.processes import die_with_parent

_data = tempfile.TemporaryDirectory(prefix="sideline-suite-")
for _name in filter(is_setting, [*os.environ]):
    if _name != "DATABASE_URL":  # the database that this run is about
        del os.environ[_name]
os.environ["SIDELINE_DATA_DIR"] = _data.name

if "PYTEST_XDIST_WORKER" in os.environ:
    die_with_parent(os.getppid())

# httpx reads the authorities from disk for every client: 0.06 s of CPU each, and the suite makes
# thousands. Those who ask for the same get the same.
_httpx.create_ssl_context = functools.cache(_httpx.create_ssl_context)
# Five seconds may pass on a busy machine. This object is the default of all its functions; what the
# product dials has time-outs of its own.
for _name in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _name, 60.0)
