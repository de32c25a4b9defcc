"""Why a source did not open, as one plain sentence. OpenCV gives no reason.

The gate saw what came of every HTTP request; an RTSP server is asked again in a small dialogue,
never longer than `timeout`. Never a password in it.
"""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64encode
from hashlib import md5
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

from cameras.ingest.addresses import AGENT
from cameras.ingest.dialing import ClosedAddress, dial, look_up, permitted
from cameras.ingest.gate import Answer, Gate
from cameras.ingest.sources import (
    Address,
    SourceError,
    check_host,
    device_index,
    file_path,
)

NOT_VIDEO = "The camera answers, but no video could be read from it."


def explain(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    gate: Gate | None = None,
    timeout: float = 3.0,
) -> str:
    """The most likely reason why opening (through `gate`) failed. Never raises."""
    deadline = time.monotonic() + timeout
    try:
        if kind == "device":
            return _explain_device(device_index(source))
        if kind == "file":
            file_path(source, media_root)
            return "The file is not a video that can be read."
        if kind == "demo":
            return "The demo clip cannot be read."
        address = Address.parse(kind, source)
        if kind == "http":
            return _explain_http(address, gate.answers() if gate else [])
        check_host(address, allow_loopback=allow_loopback)
        ip = look_up(address, permitted(allow_loopback=allow_loopback))[0]
        return _explain_rtsp(address, ip, deadline)
    except SourceError as error:
        return error.sentence
    except (OSError, ValueError) as error:
        return _failure(address, error)


def _failure(address: Address, error: Exception) -> str:
    """A sentence for a dialogue that broke off."""
    host, port = address.host, address.port
    match error:
        case SourceError():
            return error.sentence
        case TimeoutError():
            return f"{host} did not answer in time."
        case ConnectionRefusedError():
            return f"{host} refused the connection on port {port}."
        case ConnectionError():
            return f"{host} closed the connection."
        case ssl.SSLError():
            return f"{host} does not speak TLS on port {port}."
        case OSError():
            return f"{host} cannot be reached."
    return f"{host} answers on port {port}, but not as a camera does."


def _explain_device(index: int) -> str:
    if not Path(f"/dev/video{index}").exists():
        return f"There is no camera /dev/video{index} on this server."
    return f"The camera /dev/video{index} gives no picture; another program may be using it."


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refusal(address: Address, status: int) -> str:
    """A sentence for an HTTP or RTSP status other than success."""
    if status in (401, 403) and address.user is None:
        return "The camera asks for a user name and password."
    if status in (401, 403):
        return "The camera refused this user name and password."
    if status == 404:
        return "The camera answers, but has no stream at this path (404)."
    if status in (453, 503):
        return f"The camera answers that it has no free connection ({status})."
    return f"The camera answers with the error {status}."


def _explain_http(address: Address, answers: list[Answer]) -> str:
    """From the last answer that was a failure, else from the last."""
    failed = [answer for answer in answers if answer.error or answer.status >= 400]
    if not answers:
        return NOT_VIDEO
    last = failed[-1] if failed else answers[-1]
    if isinstance(last.error, ClosedAddress) and last.address.host != address.host:
        return f"The camera leads on to {last.address.host}, an address that is closed."
    if last.error:
        return _failure(last.address, last.error)
    if 300 <= last.status < 400:
        return "The camera redirects too often."
    if last.status not in (200, 206):
        return _refusal(address, last.status)
    if "dash+xml" in last.content_type:
        return "The address is a DASH playlist; use the camera's HLS, RTSP or MJPEG address."
    if last.content_type.startswith(("text/", "application/json", "application/xml")):
        return f"The address answers with {last.content_type}, which is not video."
    return NOT_VIDEO


def _explain_rtsp(address: Address, ip: str, deadline: float) -> str:
    status, headers = _describe(address, ip, deadline, {})
    if status == 401 and address.user is not None:
        login = _authorization(address, ip, headers.get("www-authenticate", ""))
        status, headers = _describe(address, ip, deadline, {"Authorization": login})
    if status != 200:
        return _refusal(address, status)
    return NOT_VIDEO


def _target(address: Address, ip: str) -> str:
    return address.url(ip, credentials=False)


def _describe(
    address: Address, ip: str, deadline: float, headers: dict[str, str]
) -> tuple[int, dict[str, str]]:
    """One RTSP DESCRIBE: its status and its headers with lower-case names."""
    with dial(address, ip, _left(deadline)) as link:
        lines = [f"DESCRIBE {_target(address, ip)} RTSP/1.0", "CSeq: 1", f"User-Agent: {AGENT}"]
        lines += ["Accept: application/sdp", *(f"{k}: {v}" for k, v in headers.items())]
        link.sendall("\r\n".join((*lines, "", "")).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            link.settimeout(_left(deadline))
            part = link.recv(4096)
            if not part:
                raise ConnectionResetError
            received += part
            if len(received) > 65536:
                raise ValueError("an endless answer")
    head = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    found = re.match(r"RTSP/1\.\d (\d{3})\b", head[0])
    if not found:
        raise ValueError("not RTSP")
    pairs = (line.partition(":") for line in head[1:])
    # The first challenge counts; the strongest comes first by convention.
    made: dict[str, str] = {}
    for name, _, value in pairs:
        made.setdefault(name.strip().lower(), value.strip())
    return int(found[1]), made


def _authorization(address: Address, ip: str, challenge: str) -> str:
    """The answer to a Basic or (MD5) Digest challenge."""
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() != "digest":
        login = f"{address.user}:{address.password or ''}"
        return "Basic " + b64encode(login.encode()).decode()
    asked = parse_keqv_list(parse_http_list(rest))
    realm, nonce, uri = asked.get("realm", ""), asked.get("nonce", ""), _target(address, ip)

    def digest(*parts: str) -> str:
        return md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

    secret = digest(address.user or "", realm, address.password or "")
    response = digest(secret, nonce, digest("DESCRIBE", uri))
    return (
        f'Digest username="{address.user}", realm="{realm}", nonce="{nonce}", '
        f'uri="{uri}", response="{response}"'
    )
