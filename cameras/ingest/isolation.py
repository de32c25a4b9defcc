"""What a process that decodes strangers' bytes may know of ours. Django-free."""

import os

# No key, no password, no database.
_HARMLESS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")


def bare_environment() -> dict[str, str]:
    """This process's environment without its secrets."""
    return {name: os.environ[name] for name in _HARMLESS if name in os.environ}
