"""`python -m tests.faults`: play the faults and print what they cost, as a table in Markdown.

Ends with 1 if a promise was broken. Only root can run it: it mounts small disks, to fill them.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.disks import NoSmallDisk
from tests.faults.faults import FAULTS
from tests.faults.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="NAME", help="faults whose name begins so")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    faults = [fault for fault in FAULTS if fault.name.startswith(options.only)]
    try:
        table, broken = run(faults, options.rounds)
    except NoSmallDisk as error:
        parser.exit(2, f"{error}\n")
    print(table)
    print(*broken, sep="\n", file=sys.stderr)
    return bool(broken)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
