"""A pytest plugin, loaded first, that hides the developer's settings and data from the suite.

pytest-django reads Django's settings before any conftest, so this cannot be in one.
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
    if _name != "DATABASE_URL":  # chosen for this run
        del os.environ[_name]
os.environ["SIDELINE_DATA_DIR"] = _data.name
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # tests load models, too

if "PYTEST_XDIST_WORKER" in os.environ:
    die_with_parent(os.getppid())

# httpx reads the CA certificates from disk for every client: 0.06 s of CPU each, for thousands of
# clients. Clients with the same arguments share a context.
_httpx.create_ssl_context = functools.cache(_httpx.create_ssl_context)
# The default of 5 s is too short on a busy machine. All functions of httpx use this object; the
# product's clients set their own time-outs.
for _name in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _name, 60.0)
