"""Environment and memory limits of child processes, which handle untrusted data. Django-free."""

import os
import resource

MEMORY = 4 * 1024**3  # bytes of address space; usual are 0.9 GB, of which 120 MB are resident

# No key, no password, no database address.
_ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")
_LIBRARIES = {
    "ORT_DISABLE_TELEMETRY": "1",  # else onnxruntime sends usage data to its maker
    # Few threads of a camera allocate; an arena for each would keep memory of its own.
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",  # a camera has no use for more; see the fork server
}


def bare_environment() -> dict[str, str]:
    """Return this process's environment without its secrets, and what libraries must be told."""
    return {name: os.environ[name] for name in _ALLOWED if name in os.environ} | _LIBRARIES


def limit_memory() -> None:
    """Limit this process's address space to `MEMORY`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
