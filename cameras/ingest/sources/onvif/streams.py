"""The streams of one ONVIF camera: its clock, its media service, the profiles, their addresses."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape

from cameras.ingest.sources.addresses import SCHEMES, Address, SourceError, check_host
from cameras.ingest.sources.dialing import permitted
from cameras.ingest.sources.onvif.soap import Device, Fault, Refused
from cameras.ingest.sources.onvif.xml import Element, all_named, first, text_of

TIMEOUT_S = 10.0
MAX_PROFILES = 8  # asked for their streams; cameras have two to five
MAX_NAME = 80
DEFAULT_PATH = "/onvif/device_service"

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA_2 = "http://www.onvif.org/ver20/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_SETUP = (
    f'<StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
    f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
)
_CODECS = {"H264": "H.264", "H265": "H.265", "HEVC": "H.265", "JPEG": "MJPEG", "MPEG4": "MPEG-4"}

NO_STREAM = "The camera answers, but names no stream. Its ONVIF user may lack the right to view."


@dataclass(frozen=True, slots=True)
class Stream:
    """One way to the camera's picture. `kind` and `address` are a camera's, without a login.

    `name` is one printable line; sizes are in pixels and 0 where the camera does not tell.
    """

    kind: str
    address: str
    name: str
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: int = 0


def find_streams(
    service: str,
    user: str,
    password: str,
    *,
    allow_loopback: bool,
    listed: frozenset[str] = frozenset(),
    timeout: float = TIMEOUT_S,
) -> list[Stream]:
    """The streams of the camera whose ONVIF service has this address, within `timeout` seconds.

    Then its still image, if it has one. Every address has the camera's own host, whatever the
    camera says: some name 0.0.0.0, or one behind a router. Nothing is sent to a closed address; the
    password is sent as a digest only. Raises `SourceError`.
    """
    address = service_address(service)
    check_host(address, allow_loopback=allow_loopback, listed=listed)
    allowed = permitted(allow_loopback=allow_loopback, listed=listed)
    device = Device(user, password, allowed, time.monotonic() + timeout)
    _set_clock(device, address)
    media, namespace = _media_service(device, address)
    profiles = _profiles(device, media, namespace)
    streams: list[Stream] = []
    fault: SourceError | None = None
    for token, stream in profiles:
        try:
            uri = _stream_uri(device, media, namespace, token)
        except SourceError as error:
            fault = fault or error
            continue
        streams += _known(replace(stream, address=uri), address)
    if not streams:
        raise fault or SourceError(NO_STREAM)
    with suppress(SourceError):
        uri = _snapshot_uri(device, media, namespace, profiles[0][0])
        streams += _known(Stream("", uri, "Still image", "JPEG"), address)
    return list({stream.address: stream for stream in reversed(streams)}.values())[::-1]


def service_address(text: str) -> Address:
    """The address of a device's service; of a camera's bare address, the usual one.

    A path has to look like a service's: whoever answers a probe chooses what is posted where.
    Raises `SourceError`.
    """
    text = text.strip()
    address = Address.parse("http", text if "://" in text else f"http://{text}")
    if address.user is not None:
        raise SourceError("Enter the user name and password in their own fields.")
    if address.path in ("", "/"):
        return replace(address, path=DEFAULT_PATH)
    if not any(word in address.path.lower() for word in ("onvif", "service")):
        raise SourceError("This is not the address of an ONVIF service.")
    return address


def _set_clock(device: Device, address: Address) -> None:
    """By the camera's own time, in UTC. Who asks for a login even here keeps our clock."""
    action = f"{_DEVICE}/GetSystemDateAndTime"
    try:
        said = device.ask(
            address, f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>', action, anonymous=True
        )
    except Refused:
        return
    now = first(said, "UTCDateTime")
    if now is None:
        return
    parts = [
        _number(now, "Date", "Year"),
        _number(now, "Date", "Month"),
        _number(now, "Date", "Day"),
        _number(now, "Time", "Hour"),
        _number(now, "Time", "Minute"),
        min(_number(now, "Time", "Second"), 59),
    ]
    with suppress(ValueError, OverflowError):
        device.set_clock(datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type, misc]


def _media_service(device: Device, address: Address) -> tuple[Address, str]:
    """Where the media service is, at the camera's own host, and its version by its namespace.

    The first version first: all but a few new cameras have it.
    """
    body = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
    with suppress(Fault):
        said = device.ask(address, body, f"{_DEVICE}/GetCapabilities")
        if text := text_of(said, "Capabilities", "Media", "XAddr"):
            return _beside(address, text), _MEDIA
    body = (
        f'<GetServices xmlns="{_DEVICE}"><IncludeCapability>false</IncludeCapability></GetServices>'
    )
    said = device.ask(address, body, f"{_DEVICE}/GetServices")
    services = {
        text_of(each, "Namespace"): text_of(each, "XAddr")
        for each in all_named(said, "Service", 64)
    }
    for namespace in (_MEDIA, _MEDIA_2):
        if services.get(namespace):
            return _beside(address, services[namespace]), namespace
    raise SourceError("This ONVIF device has no video.")


def _beside(address: Address, text: str) -> Address:
    """Another service of the camera: the path it names, at the host and port that answer."""
    try:
        said = Address.parse("http", text)
    except SourceError:
        return address
    return replace(address, path=said.path or address.path)


def _profiles(device: Device, media: Address, namespace: str) -> list[tuple[str, Stream]]:
    """Token and description of each profile, in the camera's order: the main stream is first."""
    wanted = "<Type>VideoEncoder</Type>" if namespace == _MEDIA_2 else ""
    body = f'<GetProfiles xmlns="{namespace}">{wanted}</GetProfiles>'
    said = device.ask(media, body, f"{namespace}/GetProfiles")
    profiles = []
    for number, each in enumerate(all_named(said, "Profiles", MAX_PROFILES), 1):
        encoder = first(each, "VideoEncoderConfiguration")
        if encoder is None:
            encoder = first(each, "VideoEncoder")
        encoder = Element("none") if encoder is None else encoder
        codec = line(text_of(encoder, "Encoding"), 16)
        stream = Stream(
            kind="",
            address="",
            name=line(text_of(each, "Name")) or f"Stream {number}",
            codec=_CODECS.get(codec.upper(), codec),
            width=_number(encoder, "Resolution", "Width"),
            height=_number(encoder, "Resolution", "Height"),
            fps=_number(encoder, "FrameRateLimit"),
        )
        profiles.append((each.get("token", "")[:MAX_NAME], stream))
    if not profiles:
        raise SourceError(NO_STREAM)
    return profiles


def _stream_uri(device: Device, media: Address, namespace: str, token: str) -> str:
    setup = "<Protocol>RTSP</Protocol>" if namespace == _MEDIA_2 else _SETUP
    body = (
        f'<GetStreamUri xmlns="{namespace}">{setup}'
        f"<ProfileToken>{escape(token, quote=False)}</ProfileToken></GetStreamUri>"
    )
    return text_of(device.ask(media, body, f"{namespace}/GetStreamUri"), "Uri")


def _snapshot_uri(device: Device, media: Address, namespace: str, token: str) -> str:
    body = (
        f'<GetSnapshotUri xmlns="{namespace}">'
        f"<ProfileToken>{escape(token, quote=False)}</ProfileToken></GetSnapshotUri>"
    )
    return text_of(device.ask(media, body, f"{namespace}/GetSnapshotUri"), "Uri")


def _known(stream: Stream, camera: Address) -> list[Stream]:
    """The stream at the camera's own host and without a login; none where it is no address."""
    uri = stream.address.partition("#")[0].replace("&amp;", "&")
    scheme = uri.partition(":")[0].lower()
    for kind, schemes in SCHEMES.items():
        if scheme in schemes:
            with suppress(SourceError):
                said = replace(Address.parse(kind, uri), host=camera.host)
                return [replace(stream, kind=kind, address=said.url(credentials=False))]
    return []


def _number(root: Element, *path: str) -> int:
    """A number of the camera's, 0 where it is none: from 0 to 65535."""
    text = text_of(root, *path).partition(".")[0]
    return min(int(text), 65535) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def line(text: str, most: int = MAX_NAME) -> str:
    """A stranger's text as one printable line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]
