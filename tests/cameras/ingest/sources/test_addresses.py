"""Validation, rebuilding and redaction of source strings."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from cameras.ingest.sources import address_rules
from cameras.ingest.sources.address_rules import IP
from cameras.ingest.sources.addresses import (
    MAX_LENGTH,
    Address,
    SourceError,
    check,
    file_path,
    redact,
)
from cameras.ingest.sources.dialing import permitted


def refused(kind: str, source: str, root: Path, *, allow_loopback: bool = False) -> str:
    with pytest.raises(SourceError) as caught:
        check(kind, source, media_root=root, allow_loopback=allow_loopback)
    return caught.value.sentence


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("rtsp", "rtsp://192.168.1.20/stream"),
        ("rtsp", "rtsp://admin:p%40ss@10.0.0.5:8554/cam/realmonitor?channel=1&subtype=0"),
        ("rtsp", "rtsps://cam.example.org/live"),
        ("rtsp", "RTSP://Camera.local:554"),
        ("rtsp", "rtsp://Camera.local:554#backchannel=0"),
        ("rtsp", " rtsp://10.0.0.5/cam?channel=1#video=copy#audio=opus "),
        ("rtsp", "rtsp://admin:@172.16.0.9/h264"),
        ("rtsp", "rtsp://[fd12:3456::1]:554/s"),
        ("rtsp", "rtsp://100.64.1.1/tailscale"),
        ("http", "http://192.168.1.20:8080/video?x=a@b"),
        ("http", "https://example.org/cam.mjpg"),
        ("device", "0"),
        ("device", "63"),
        ("device", "/dev/video2"),
        ("file", "clip.mp4"),
        ("file", "sub/clip.mp4"),
        ("push", ""),
        ("demo", ""),
    ],
)
def test_valid_source_is_accepted(kind: str, source: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("clip.mp4", "sub/clip.mp4"):
        (tmp_path / name).write_bytes(b"x")
    check(kind, source, media_root=tmp_path, allow_loopback=False)


LOOPBACK = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "a.localhost", "[::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[fd99::5efe:7f00:1]", "127.0.0.2", "127.255.255.254",
]  # fmt: skip
OWN = [  # of a machine that has 192.168.1.5 and fd12::5
    "192.168.1.5", "192.168.1.5.", "3232235781", "0xc0a80105", "0300.0250.1.5", "192.168.261",
    "[::ffff:192.168.1.5]", "[::ffff:c0a8:105]", "[::ffff:0:c0a8:105]", "[64:ff9b::c0a8:105]",
    "[2002:c0a8:105::1]", "[fd99::5efe:c0a8:105]", "[fd99::200:5efe:c0a8:105]",
    "[fd12::5]", "[fd12:0:0::5]",
]  # fmt: skip
CLOSED = [
    "169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]", "[fe80::1]",
    "0.0.0.0", "0", "[::]", "224.0.0.1", "239.1.1.1", "[ff02::1]", "255.255.255.255",
    "240.0.0.1", "100.100.100.200", "[fd00:ec2::254]", "0.1.2.3", "[fe80::5efe:a00:1]",
    "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]", "[2002:a9fe:a9fe::]", "[2001:0:a00:1::1]",
    "[::ffff:0:169.254.169.254]", "[fd99::5efe:a9fe:a9fe]", "[fec0::1]", "168.63.129.16",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_forbidden_in_every_spelling_unless_allowed(host: str, tmp_path: Path) -> None:
    for kind in ("rtsp", "http"):
        assert "closed" in refused(kind, f"{kind}://{host}:8554/x", tmp_path)
        check(kind, f"{kind}://{host}:8554/x", media_root=tmp_path, allow_loopback=True)


@pytest.mark.usefixtures("two_addresses")
@pytest.mark.parametrize("host", OWN)
def test_own_addresses_are_forbidden_in_every_spelling(host: str, tmp_path: Path) -> None:
    for kind in ("rtsp", "http"):
        source = f"{kind}://{host}:8554/x"
        sentence = refused(kind, source, tmp_path)
        named = re.search(r"server can list (\S+) in SIDELINE_CAMERA_SERVERS\.", sentence)
        assert named, sentence
        listed = frozenset({named[1]})
        check(kind, source, media_root=tmp_path, allow_loopback=False, listed=listed)
        check(kind, source, media_root=tmp_path, allow_loopback=True)
        elsewhere = source.replace(":8554", ":8555")
        with pytest.raises(SourceError, match="8555"):
            check(kind, elsewhere, media_root=tmp_path, allow_loopback=False, listed=listed)


@pytest.mark.usefixtures("two_addresses")
def test_other_private_addresses_are_allowed(tmp_path: Path) -> None:
    for host in ("192.168.1.6", "[fd12::6]", "[::ffff:192.168.1.6]", "10.0.0.1", "100.64.0.1"):
        check("rtsp", f"rtsp://{host}/x", media_root=tmp_path, allow_loopback=False)


def test_own_addresses_are_those_of_the_interfaces() -> None:
    known = {
        ipaddress.ip_address(entry.address.partition("%")[0])
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    }
    assert address_rules.own_addresses() == known
    assert ipaddress.ip_address("127.0.0.1") in known


def test_no_address_is_allowed_if_the_kernel_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def silent() -> frozenset[IP]:
        raise OSError

    monkeypatch.setattr(address_rules, "own_addresses", silent)
    assert "cannot tell its own addresses" in refused("rtsp", "rtsp://10.0.0.1/", tmp_path)
    with pytest.raises(OSError):  # noqa: PT011
        permitted(allow_loopback=False)("cam.example", 80, ipaddress.ip_address("10.0.0.1"))


@pytest.mark.parametrize("host", CLOSED)
def test_link_local_and_metadata_addresses_are_always_forbidden(host: str, tmp_path: Path) -> None:
    for allowed in (False, True):
        sentence = refused("http", f"http://{host}/x", tmp_path, allow_loopback=allowed)
        assert "closed" in sentence


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("rtsp", ""),
        ("rtsp", "http://192.168.1.2/"),
        ("http", "rtsp://192.168.1.2/"),
        ("http", "file:///etc/passwd"),
        ("http", "concat:http://a/|file:///etc/passwd"),
        ("http", "subfile,,start,0,end,9,,:http://a/"),
        ("http", "crypto+http://a/"),
        ("http", "http:/192.168.1.2/"),
        ("http", "//192.168.1.2/"),
        ("http", "http:///x"),
        ("http", "http://a@b@192.168.1.2/"),
        ("http", "http://192.168.1.2\\@10.0.0.1/"),
        ("http", "http://10.0.0.1#@192.168.1.2/"),
        ("http", "http://192.168.1.2/x#y@z"),
        ("http", "http://192.168.1.2/x#a b"),
        ("http", "http://192.168.1.2:0/"),
        ("http", "http://192.168.1.2:65536/"),
        ("http", "http://192.168.1.2:80:80/"),
        ("http", "http://192.168.1.2:8 0/"),
        ("http", "http://192.168.1.2/a b"),
        ("http", "http://192.168.1.2/\r\nHost: x"),
        ("http", "http://192.168.1.2/\x00"),
        ("http", "http://192.168.1.2/'x'"),
        ("http", 'http://192.168.1.2/"x"'),
        ("http", "http://u%0d%0a:p@192.168.1.2/"),
        ("http", "http://1.2.3.4.5/"),
        ("http", "http://1.2.3.256/"),
        ("http", "http://-a.example/"),
        ("http", "http://a..b/"),
        ("http", "http://ｅxample.org/"),
        ("http", "http://127。0。0。1/"),
        ("http", "http://[fe80::1%25eth0]/"),
        ("http", "http://[::1/"),
        ("http", "http://h/" + "x" * MAX_LENGTH),
        ("device", ""),
        ("device", "64"),
        ("device", "-1"),
        ("device", "/dev/video99"),
        ("device", "/dev/sda"),
        ("device", "0\n"),
        ("file", ""),
        ("file", "missing.mp4"),
        ("file", "/etc/passwd"),
        ("file", "../outside.mp4"),
        ("file", "sub/../clip.mp4"),
        ("file", "sub"),
        ("file", "."),
        ("file", "link.mp4"),
        ("file", "~/x"),
        ("file", "clip.mp4\x00"),
        ("push", "rtsp://192.168.1.2/"),
        ("demo", "x"),
        ("exec", "ls"),
    ],
)
def test_invalid_source_is_refused_with_a_sentence(kind: str, source: str, tmp_path: Path) -> None:
    root = tmp_path / "media"
    (root / "sub").mkdir(parents=True)
    (root / "clip.mp4").write_bytes(b"x")
    (tmp_path / "outside.mp4").write_bytes(b"x")
    (root / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    sentence = refused(kind, source, root)
    assert sentence.endswith(".")
    assert str(tmp_path) not in sentence


def test_refusal_never_contains_a_password(tmp_path: Path) -> None:
    for source in ("rtsp://u:hunter2@a@b/", "rtsp://u:hunter2@127.0.0.1/", "rtsp://u:hunter2@h:0/"):
        assert "hunter2" not in refused("rtsp", source, tmp_path)


@pytest.mark.parametrize(
    ("kind", "source", "word"),
    [
        ("rtsp", "ffmpeg:rtsp://u:hunter2@10.0.0.5/x#video=copy", "begins with ffmpeg:,"),
        ("rtsp", "rtsp:rtsp://10.0.0.5/x", "begins with rtsp:,"),
        ("http", "ffmpeg:http://10.0.0.5/x", "begins with http://."),
        ("rtsp", "rtspx://10.0.0.5/x", "write rtsps:// instead"),
    ],
)
def test_address_for_another_program_is_explained(
    kind: str, source: str, word: str, tmp_path: Path
) -> None:
    sentence = refused(kind, source, tmp_path)
    assert word in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize("fragment", ["#backchannel=0", "#video=copy#audio=opus", "#", "#a?b/c"])
def test_fragment_is_dropped(fragment: str) -> None:
    for source in ("rtsp://u:p@10.0.0.5/cam?a=b", "rtsp://u:p@10.0.0.5"):
        address = Address.parse("rtsp", f" {source}{fragment} ")
        assert address == Address.parse("rtsp", source)
        assert redact(f" {source}{fragment} ") == redact(source)


def test_number_sign_in_a_password_is_no_fragment(tmp_path: Path) -> None:
    for source in ("rtsp://u:1#2@10.0.0.5/x", "rtsp://u#2@10.0.0.5/", "rtsp://10.0.0.5/x#u:p@h"):
        assert "written as %40" in refused("rtsp", source, tmp_path)


def test_url_is_rebuilt_from_its_parts() -> None:
    address = Address.parse("rtsp", "RTSP://us%65r:p%40s%2Fs@Cam.Local./a?b=c@d")
    assert (address.user, address.password, address.host) == ("user", "p@s/s", "cam.local")
    assert address.url("10.0.0.1") == "rtsp://user:p%40s%2Fs@10.0.0.1:554/a?b=c@d"
    assert address.url("fd00::1", credentials=False) == "rtsp://[fd00::1]:554/a?b=c@d"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("", ""),
        ("clip.mp4", "clip.mp4"),
        ("/dev/video0", "/dev/video0"),
        ("rtsp://host/path", "rtsp://host/path"),
        ("rtsp://user:hunter2@host:554/path", "rtsp://user:•••@host:554/path"),
        ("rtsp://user:@host/", "rtsp://user:•••@host/"),
        ("rtsp://user@host/", "rtsp://user@host/"),
        ("rtsp://user:hun@ter2@host/x", "rtsp://user:•••@host/x"),
        ("rtsp://user:hun/ter2@host/x", "rtsp://user:•••@host/x"),
        ("rtsp://user:hun#ter2@host/x", "rtsp://user:•••@host/x"),
        ("hunter2@host", "•••@host"),
        ("http://h/v?user=me&password=hunter2&x=1", "http://h/v?user=me&password=•••&x=•••"),
        ("http://h/v?PWD=hunter2", "http://h/v?PWD=•••"),
        ("http://h/v?loginuse=a&loginpas=b&passwd=hunter2", None),
        ("http://h/v?access_token=hunter2", "http://h/v?access_token=•••"),
        ("http://h/v?api-key=hunter2", "http://h/v?api-key=•••"),
        ("http://h/v;token=hunter2", "http://h/v;token=•••"),
        ("http://h/v#token=hunter2", "http://h/v"),
        ("http://h:x/v#hunter2", "http://h:x/v#•••"),
        ("ffmpeg:rtsp://u:hunter2@h/v#hunter2", "ffmpeg:rtsp://u:•••@h/v#•••"),
        ("rtsp://u:1#hunter2@h/v", "rtsp://u:•••@h/v"),
        ("http://h/v?user=me:hunter2", "http://h/v?user=me:•••"),
        ("rtsp://h/user=a_password=hunter2_channel=1", "rtsp://h/user=a_password=•••"),
        ("http://u:hunter2@h/v?pass=hunter2", "http://u:•••@h/v?pass=•••"),
        ("http://h/?password=a;hunter2", "http://h/?password=•••;•••"),
        ("http://h/?api%4bey=hunter2", "http://h/?api%4bey=•••"),
        ("http://h/?url=http://u:hunter2@h2/", None),
        ("http://h/v?hunter2", "http://h/v?•••"),
        ("http://h/v?channel=1_pw=hunter2", "http://h/v?channel=1_pw=•••"),
        ("http://h/v?channel=1%26pw=hunter2", "http://h/v?•••"),
        ("rtsp://h/admin:hunter2/live", "rtsp://h/admin:•••/live"),
        ("rtsp://h/admin%3Ahunter2/live", "rtsp://h/•••/live"),
        ("rtsp://u:1/hunter2@host/x", None),
        ("http://[::1:hunter2@x", None),
        ("://hunter2@", None),
    ],
)
def test_redacted_source_contains_no_secret(source: str, shown: str | None) -> None:
    assert "hunter2" not in redact(source)
    if shown is not None:
        assert redact(source) == shown


def test_absolute_path_is_refused_without_revealing_files(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    for path in (tmp_path / "clip.mp4", "/etc/passwd", "/no/such/file", "//etc/passwd"):
        assert refused("file", str(path), tmp_path) == (
            "A file is named by its path inside the organization's media folder."
        )


def test_symlink_out_of_the_media_folder_is_not_opened(tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    (tmp_path / "outside.mp4").write_bytes(b"x")
    (root / "clip.mp4").write_bytes(b"x")
    where: dict[str, Any] = {"media_root": root, "allow_loopback": False}
    check("file", "clip.mp4", **where)
    (root / "clip.mp4").unlink()
    (root / "clip.mp4").symlink_to(tmp_path / "outside.mp4")
    with pytest.raises(SourceError, match="no such file"):
        file_path("clip.mp4", root)  # right before it is opened
