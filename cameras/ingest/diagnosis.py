"""Why a source did not open, as one plain sentence. OpenCV gives no reason, so we ask again.

A small dialogue with standard sockets; never longer than `timeout`, and never a password in it.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from hashlib import md5
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

from cameras.ingest.addresses import AGENT, ask, basic, connect, follow, look_up
from cameras.ingest.sources import Address, SourceError, device_index, file_path

NOT_VIDEO = "The camera answers, but no video could be read from it."
PLAYLISTS = ("mpegurl", "dash+xml")


def explain(
    kind: str, source: str, *, media_root: Path, allow_loopback: bool, timeout: float = 3.0
) -> str:
    """The most likely reason why opening failed. Never raises."""
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
        ip = look_up(address, allow_loopback=allow_loopback)
        if kind == "http":
            address, ip = follow(address, ip, allow_loopback=allow_loopback, deadline=deadline)
            return _explain_http(address, ip, deadline)
        return _explain_rtsp(address, ip, deadline)
    except SourceError as error:
        return error.sentence
    except TimeoutError:
        return f"{address.host} did not answer in time."
    except ConnectionRefusedError:
        return f"{address.host} refused the connection on port {address.port}."
    except ConnectionError:
        return f"{address.host} closed the connection."
    except ssl.SSLError:
        return f"{address.host} does not speak TLS on port {address.port}."
    except OSError:
        return f"{address.host} cannot be reached."
    except (http.client.HTTPException, ValueError):
        return f"{address.host} answers on port {address.port}, but not as a camera does."


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


def _explain_http(address: Address, ip: str, deadline: float) -> str:
    status, headers = ask(address, ip, _left(deadline))
    if status != 200:
        return _refusal(address, status)
    kind = headers.get_content_type()
    if any(name in kind for name in PLAYLISTS):
        return "The address is a playlist (HLS or DASH); use the camera's RTSP or MJPEG address."
    if kind.startswith(("text/", "application/json", "application/xml")):
        return f"The address answers with {kind}, which is not video."
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
    with connect(address, ip, _left(deadline)) as link:
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
        return "Basic " + basic(address)
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
