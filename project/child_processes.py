"""Environment and memory limits of child processes, which handle untrusted data. Django-free."""

import os
import resource

MEMORY = 4 * 1024**3  # bytes of address space; usual are 0.9 GB, of which 120 MB are resident

# No key, no password, no database address.
_ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")


def bare_environment() -> dict[str, str]:
    """Return this process's environment without its secrets."""
    return {name: os.environ[name] for name in _ALLOWED if name in os.environ}


def limit_memory() -> None:
    """Limit this process's address space to `MEMORY`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
