"""nginx with a configuration of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.processes import killed_with_parent
from tests.waiting import until

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # nginx is there on Debian


@contextlib.contextmanager
def nginx(folder: Path, site: str, port: int) -> Iterator[None]:
    """Run nginx with the site configuration. All its files are in `folder`."""
    binary = shutil.which("nginx", path=PATH)
    assert binary, "nginx is missing"
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 256; }}
        http {{ access_log off; {temporary} include {folder}/site.conf; }}
        """
    )
    process = subprocess.Popen(
        killed_with_parent(
            binary, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(folder / "nginx.conf")
        )
    )

    def answers() -> bool:
        assert process.poll() is None, (folder / "error.log").read_text()
        with contextlib.suppress(httpx.HTTPError):
            return bool(httpx.get(f"http://127.0.0.1:{port}/healthz").status_code)
        return False

    try:
        until(answers, what="nginx")
        yield
    finally:
        process.terminate()
        process.wait(10)
