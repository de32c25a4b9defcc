"""Another Python process of ours, and the link to it."""

from __future__ import annotations

import socket
import subprocess
import sys

from django.conf import settings

from cameras.ingest.uplink import SocketLink


async def start(
    *command: str, environment: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], SocketLink]:
    """Run Python with these arguments and, after them, its end of the link.

    `environment` replaces ours, which is inherited otherwise.

    Raises `OSError` where the machine has no process or descriptor left; nothing stays open then.
    """
    ours, theirs = socket.socketpair()
    process = None
    try:
        with theirs:
            process = subprocess.Popen(  # nosec B603  # a list of our own words
                [sys.executable, *command, str(theirs.fileno())],
                cwd=settings.BASE_DIR,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the parent, which ends this one
            )
        return process, await SocketLink.over(ours)
    except BaseException:
        ours.close()
        if process is not None:
            process.kill()
            process.wait()
        raise
