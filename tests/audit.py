"""`python -m tests.audit LOCK…`: pip-audit over every package of the locks, for `make audit`.

It passes only where a service that knows advisories has answered for each of them. So it first asks
for a version that is known to be vulnerable: an index that keeps no advisories finds nothing there,
and its silence about the others would mean nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Pin = tuple[str, str]  # name, version
Answer = tuple[list[dict[str, Any]], str]  # what it says of each package, and what it complains of
CANARY: Pin = ("django", "3.2")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(locks: Iterable[Path]) -> list[Pin]:
    """All packages of the locks, whatever Python or system they are for."""
    found = {
        (name.lower(), version)
        for lock in locks
        for name, version in _PIN.findall(lock.read_text())
    }
    return sorted(found)


def rounds(wanted: list[Pin]) -> list[list[Pin]]:
    """The same in lists in which each name is there once: a lock may hold two versions of one."""
    lists: list[dict[str, str]] = []
    for name, version in wanted:
        for one in lists:
            if name not in one:
                one[name] = version
                break
        else:
            lists.append({name: version})
    return [list(one.items()) for one in lists]


def verdict(wanted: list[Pin], ask: Callable[[list[Pin]], Answer]) -> tuple[int, str]:
    """The exit status, and what to print."""
    known, complaint = ask([CANARY])
    if not any(package.get("vulns") for package in known):
        return 2, (
            f"{complaint}\nNo advisory service was reached, so nothing is known about these "
            f"{len(wanted)} packages. Run it where the network has one."
        ).strip()
    lines, heard = [], set()
    for some in rounds(wanted):
        told, complaint = ask(some)
        lines += [complaint] if complaint and not told else []
        for package in told:
            pin = (package["name"].lower(), package.get("version", ""))
            heard |= {pin} if "vulns" in package and "skip_reason" not in package else set()
            for flaw in package.get("vulns", ()):
                fixed = ", ".join(flaw.get("fix_versions", ())) or "none"
                lines.append(f"{pin[0]} {pin[1]}: {flaw['id']}, fixed in: {fixed}")
    lines += [f"{name} {version} could not be audited" for name, version in set(wanted) - heard]
    if lines:
        return 1, "\n".join(lines)
    return 0, f"{len(wanted)} packages audited; no advisory is known for any of them."


def pip_audit(some: list[Pin]) -> Answer:
    """By pip-audit, which installs nothing. Not `--strict`: that ends at the first unknown one."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in some)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip",
             "--progress-spinner", "off", "--format", "json", "--requirement", file.name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError):
        said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        return [], (said or [f"pip-audit ended with {done.returncode}"])[-1]


if __name__ == "__main__":
    status, said = verdict(pins(map(Path, sys.argv[1:])), pip_audit)
    print(said)
    sys.exit(status)
