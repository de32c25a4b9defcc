"""A pytest plugin, loaded first: the suite reads no setting and touches no data of its developer.

pytest-django reads Django's settings before any conftest, so this cannot live in one.
"""

from __future__ import annotations

import os
import tempfile

_data = tempfile.TemporaryDirectory(prefix="sideline-suite-")
for _name in [name for name in os.environ if name.startswith("SIDELINE_")]:
    del os.environ[_name]
os.environ.pop("REDIS_URL", None)
os.environ["SIDELINE_DATA_DIR"] = _data.name
