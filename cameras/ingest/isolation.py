"""What a process that decodes strangers' bytes may know and have of ours. Django-free."""

import os
import resource

MEMORY = 4 * 1024**3  # bytes of address space; 0.9 GB are usual, of which 120 MB are used

# No key, no password, no database.
_HARMLESS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")


def bare_environment() -> dict[str, str]:
    """This process's environment without its secrets."""
    return {name: os.environ[name] for name in _HARMLESS if name in os.environ}


def bound_memory() -> None:
    """This process gets no more than `MEMORY` from now on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
