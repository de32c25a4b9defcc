"""`python -m tests.audit LOCK…`: pip-audit for every package of the locks, for `make audit`.

It passes only if an advisory service has answered for each of them. So it first checks a version
that is known to be vulnerable: if that is not reported, the service has no advisories.
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
Answer = tuple[list[dict[str, Any]], str]  # pip-audit's result per package, and its error
CANARY: Pin = ("django", "3.2")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(locks: Iterable[Path]) -> list[Pin]:
    """Return all packages of the locks, for any version of Python and any platform."""
    found = {
        (name.lower(), version)
        for lock in locks
        for name, version in _PIN.findall(lock.read_text())
    }
    return sorted(found)


def batches(wanted: list[Pin]) -> list[list[Pin]]:
    """Split the pins into lists with each name at most once: a lock may have two versions."""
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
    """Return the exit status and the text to print."""
    canary, error = ask([CANARY])
    if not any(package.get("vulns") for package in canary):
        return 2, (
            f"{error}\nNo advisory service was reached, so nothing is known about these "
            f"{len(wanted)} packages. Run it where the network has one."
        ).strip()
    lines, audited = [], set()
    for batch in batches(wanted):
        packages, error = ask(batch)
        lines += [error] if error and not packages else []
        for package in packages:
            pin = (package["name"].lower(), package.get("version", ""))
            audited |= {pin} if "vulns" in package and "skip_reason" not in package else set()
            for vulnerability in package.get("vulns", ()):
                fixed = ", ".join(vulnerability.get("fix_versions", ())) or "none"
                lines.append(f"{pin[0]} {pin[1]}: {vulnerability['id']}, fixed in: {fixed}")
    lines += [f"{name} {version} could not be audited" for name, version in set(wanted) - audited]
    if lines:
        return 1, "\n".join(lines)
    return 0, f"{len(wanted)} packages audited; no advisory is known for any of them."


def pip_audit(batch: list[Pin]) -> Answer:
    """Run pip-audit, which installs nothing. `--strict` would stop at the first unknown package."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in batch)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip",
             "--progress-spinner", "off", "--format", "json", "--requirement", file.name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError):
        errors = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        return [], (errors or [f"pip-audit ended with {done.returncode}"])[-1]


if __name__ == "__main__":
    status, text = verdict(pins(map(Path, sys.argv[1:])), pip_audit)
    print(text)
    sys.exit(status)
