"""Configuration lines of known proxies that fix their handling of event streams. Django-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """What to write (`directive`) into a proxy's configuration, and where."""

    proxy: str
    directive: str
    where: str


_NGINX, _CADDY, _APACHE = "nginx", "Caddy", "Apache"

_LINES: dict[str, tuple[Line, ...]] = {
    "held": (
        Line(
            _NGINX,
            "proxy_buffering off;",
            "in the location that leads to Sideline; remove “proxy_ignore_headers "
            "X-Accel-Buffering;” where it stands",
        ),
        Line(
            _CADDY,
            "flush_interval -1",
            "in the block of reverse_proxy; remove “response_buffers” where it stands",
        ),
        Line(
            _APACHE,
            'ProxyPass "/" "http://127.0.0.1:7103/" flushpackets=on',
            "in place of the ProxyPass that leads to Sideline, with its own path and address",
        ),
    ),
    "compressed": (
        Line(
            _NGINX,
            "gzip off;",
            "in the location that leads to Sideline; or take “text/event-stream” and “*” out of "
            "gzip_types",
        ),
        Line(
            _CADDY,
            "@others not path */messages*\nencode @others gzip",
            "in place of “encode gzip”",
        ),
        Line(
            _APACHE,
            'SetEnvIf Request_URI "/messages" no-gzip=1',
            "in the VirtualHost, where SetOutputFilter or AddOutputFilterByType says DEFLATE",
        ),
    ),
    "cut": (
        Line(_NGINX, "proxy_read_timeout 1h;", "in the location that leads to Sideline"),
        Line(
            _CADDY,
            "transport http {\n    read_timeout 1h\n}",
            "in the block of reverse_proxy; and no “write” among the timeouts of servers",
        ),
        Line(_APACHE, "ProxyTimeout 3600", "in the VirtualHost"),
    ),
}
_MODULES = {"br": ("brotli off;", "no-brotli=1"), "zstd": ("zstd off;", "no-zstd=1")}


def lines_for(kind: str, headers: Mapping[str, str]) -> tuple[Line, ...]:
    """Of the proxy that names itself in the headers; of each, where none does."""
    named = f"{headers.get('server', '')} {headers.get('via', '')}".lower()
    mine = {proxy for proxy in (_NGINX, _CADDY, _APACHE) if proxy.lower() in named}
    if "openresty" in named:
        mine.add(_NGINX)
    lines = [line for line in _LINES[kind] if not mine or line.proxy in mine]
    module = _MODULES.get(headers.get("content-encoding", "").strip().lower())
    if kind == "compressed" and module:
        lines = [_of_module(line, *module) for line in lines]
    return tuple(lines)


def _of_module(line: Line, nginx: str, apache: str) -> Line:
    """The same for a compression that is not gzip."""
    if line.proxy == _NGINX:
        return Line(_NGINX, nginx, "in the location that leads to Sideline")
    directive = line.directive.replace("no-gzip=1", apache)
    return Line(line.proxy, directive, line.where)
