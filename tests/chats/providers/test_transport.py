"""Permitted addresses of model servers, and the addresses that are dialed."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from cameras.ingest.sources import address_rules
from chats.providers import transport
from chats.providers.base import Conversation, ProviderError, Rejected, Turn, Unreachable
from chats.providers.openai import OpenAICompatible
from chats.providers.transport import CheckedTransport, check_base_url
from tests.endpoint import Model, Script, endpoint

HELLO = Conversation((Turn("user", "Hello?"),))


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> None:
    """Make names resolve to these addresses."""

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(0, 0, 0, "", (ip, port)) for ip in table[host]]

    monkeypatch.setattr(transport.socket, "getaddrinfo", answer)


async def refused(url: str, listed: frozenset[str] = frozenset()) -> ProviderError:
    """Return the error that a request to `url` raises."""
    provider = OpenAICompatible(url, "k", "m", listed=listed)
    with pytest.raises(ProviderError) as caught:
        await provider.check()
    await provider.close()
    return caught.value


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        (" http://192.168.1.9:8080/v1", "http://192.168.1.9:8080/v1"),
        ("https://api.example.com", "https://api.example.com"),
        ("HTTPS://Api.Example.com/v1", "https://api.example.com/v1"),
        ("http://[fd12::1]:8080/v1", "http://[fd12::1]:8080/v1"),
    ],
)
def test_valid_base_url_is_normalized(text: str, url: str) -> None:
    assert check_base_url(text) == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "starts with https"),
        ("api.example.com/v1", "starts with https"),
        ("ftp://example.com", "starts with https"),
        ("file:///etc/passwd", "starts with https"),
        ("https://", "starts with https"),
        ("https://user:pw@example.com/v1", "no user name"),
        ("https://@example.com/v1", "no user name"),
        ("https://example.com/v1?x=1", "ends with its path"),
        ("https://example.com/v1#", "ends with its path"),
        ("https://exa mple.com/", "characters"),
        ("https://example.com\\@127.0.0.1/", "characters"),
        ("https://example.com/\nX: y", "characters"),
        ("http://example.com:99999/", "not an address"),
        ("http://example.com:0/", "not an address"),
        ("http://[fe80::1%25eth0]/", "not an address"),
        ("http://127.0.0.1:8080/v1", "closed"),
        ("http://2130706433/", "closed"),
        ("http://0x7f.1/", "closed"),
        ("http://[::ffff:127.0.0.1]/", "closed"),
        ("http://169.254.169.254/latest", "closed"),
        ("http://0.0.0.0:11434/", "closed"),
        ("http://localhost/", "localhost:80 is closed"),
        ("http://LocalHost.:11434/v1", "localhost:11434 is closed"),
        ("http://model.localhost/v1", "model.localhost:80 is closed"),
    ],
)
def test_invalid_base_url_is_refused_with_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_base_url(text)
    with pytest.raises(ValueError, match=words):
        OpenAICompatible(text, "k", "m")


def test_listed_address_is_permitted() -> None:
    listed = frozenset({"127.0.0.1:8080", "[::1]:80", "localhost:8082"})
    for port in (8080, 8082):  # names are resolved when they are dialed
        assert check_base_url(f"http://localhost:{port}/v1", listed)
    assert check_base_url("http://127.0.0.1:8080/v1", listed) == "http://127.0.0.1:8080/v1"
    assert check_base_url("http://[::1]/v1", listed) == "http://[::1]/v1"
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(ValueError, match="closed"):
            check_base_url(f"http://{host}:8081/v1", listed)


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "fe80::1%eth0", "100.100.100.200",
     "64:ff9b::7f00:1"],
)  # fmt: skip
async def test_name_that_resolves_to_a_forbidden_address_is_refused(
    ip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"rebind.example": ["192.0.2.1", ip]})
    failure = await refused("http://rebind.example:81/v1")
    assert type(failure) is Rejected
    assert "rebind.example:81 is closed" in failure.sentence


@pytest.mark.usefixtures("two_addresses")
async def test_own_addresses_of_the_server_are_closed_unless_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for host in (
        "192.168.1.5",
        "3232235781",
        "[::ffff:c0a8:105]",
        "[2002:c0a8:105::]",
        "[fd12::5]",
    ):
        with pytest.raises(ValueError, match=r"can permit it in SIDELINE_MODEL_SERVERS"):
            check_base_url(f"http://{host}:8080/v1")
    for host in ("192.168.1.6", "[fd12::6]"):
        assert check_base_url(f"http://{host}:8080/v1")
    names(monkeypatch, {"model.example": ["192.168.1.5"]})
    assert type(await refused("http://model.example:8080/v1")) is Rejected
    listed = frozenset({"192.168.1.5:8080"})
    assert check_base_url("http://192.168.1.5:8080/v1", listed)
    assert check_base_url("http://3232235781:8080/v1", listed), "the same in another spelling"
    with pytest.raises(ValueError, match="8081 is closed"):
        check_base_url("http://192.168.1.5:8081/v1", listed)


async def test_nothing_is_dialed_if_own_addresses_are_unknown(
    monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    def silent() -> frozenset[address_rules.IP]:
        raise OSError

    monkeypatch.setattr(address_rules, "own_addresses", silent)
    assert type(await refused(model.url.replace("127.0.0.1", "localhost"))) is Rejected
    with pytest.raises(ValueError, match="closed"):
        check_base_url("http://192.168.1.6/v1")


async def test_localhost_is_closed_unless_listed(model: Model) -> None:
    url = f"http://localhost:{model.port}/v1"
    with pytest.raises(ValueError, match="closed"):
        check_base_url(url)
    open_there = OpenAICompatible(url, "k", "m", listed=frozenset({f"localhost:{model.port}"}))
    assert "answers" in await open_there.check()
    await open_there.close()
    assert model.requests[0].headers["host"] == f"localhost:{model.port}"


async def test_name_is_resolved_once_and_the_checked_ip_dialed(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = []

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        lookups.append(host)
        assert host == "model.example"
        return [(0, 0, 0, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(transport.socket, "getaddrinfo", answer)
    where = f"model.example:{model.port}"
    provider = OpenAICompatible(f"http://{where}/v1", "k", "m", listed=frozenset({where}))
    assert "answers" in await provider.check()  # by the second: nobody listens on the first
    await provider.close()
    assert lookups[0] == "model.example"
    assert model.requests[0].headers["host"] == where


async def test_unresolvable_name_is_reported() -> None:
    failure = await refused("http://nowhere.invalid/v1")
    assert type(failure) is Unreachable
    assert "nowhere.invalid does not resolve" in failure.sentence


async def test_name_resolution_has_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def slow(*args: Any, **kwargs: Any) -> list[Any]:
        release.wait(10)
        return []

    monkeypatch.setattr(transport.socket, "getaddrinfo", slow)
    monkeypatch.setattr(transport, "DNS_S", 0.1)
    failure = await refused("http://slow.example/v1")
    release.set()
    assert type(failure) is Unreachable
    assert "not found in time" in failure.sentence


async def test_redirects_are_not_followed(model: Model) -> None:
    with endpoint() as elsewhere:
        model.script = Script(status=307, headers={"Location": elsewhere.url})
        failure = await refused(model.url, model.listed)
        assert type(failure) is Rejected
        assert elsewhere.requests == []


async def test_proxy_environment_variables_are_ignored(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        provider = OpenAICompatible(model.url, "k", "m", listed=model.listed)
        await provider.check()
        await provider.close()
        assert (len(model.requests), proxy.requests) == (1, [])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for model.example; its key is beside it, as .key."""
    crt = tmp_path / "model.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=model.example", "-addext", "subjectAltName=DNS:model.example",
         "-keyout", crt.with_suffix(".key"), "-out", crt],
        check=True, capture_output=True,
    )  # fmt: skip
    return crt


async def test_tls_certificate_is_checked_against_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    indicated: list[str | None] = []
    context.sni_callback = lambda _, name, __: indicated.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    trust = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(transport, "_tls_context", lambda: trust)
    names(monkeypatch, {"model.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    listed = frozenset({f"model.example:{port}", f"other.example:{port}"})
    provider = OpenAICompatible(f"https://model.example:{port}/v1", "k", "m", listed=listed)
    assert "answers" in await provider.check()
    await provider.close()
    failure = await refused(f"https://other.example:{port}/v1", listed)
    assert type(failure) is Unreachable  # another name's certificate
    assert indicated == ["model.example", "other.example"]
    server.close()
    await server.wait_closed()


async def test_the_transport_closes() -> None:
    transport = CheckedTransport()
    async with httpx.AsyncClient(transport=transport):
        pass
