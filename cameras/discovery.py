"""Discovery of ONVIF cameras for an organization's administrators: what is found, what is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.cache import cache

from cameras.ingest.sources.addresses import SCHEMES, Address, SourceError
from cameras.ingest.sources.dialing import permitted
from cameras.ingest.sources.onvif import discovery
from cameras.ingest.sources.onvif.streams import find_streams
from cameras.models import Camera
from project.accounts.models import Organization

LONGEST_S = 20  # after which a search that never ended no longer keeps others waiting
NOTHING = (
    "No camera answered. Cameras in another network segment do not hear the question, nor does "
    "any if Sideline runs in a Docker network without multicast (the host network has it); and in "
    "some cameras ONVIF has to be switched on first. Enter the camera’s own address instead."
)
NO_NETWORK = "This server cannot read its own network addresses, so nothing was sent."


class Busy(Exception):
    """Another such question of the organization is running."""


def search(organization: Organization) -> dict[str, Any]:
    """Return `{"cameras": [...], "sentence": str}` after about 3 s. Raises `Busy`.

    A camera is `{"address", "host", "name", "hardware", "known"}`; `known` is the name of the
    organization's camera at that host, or empty. The sentence says why the list may be empty.
    """
    rule = permitted(allow_loopback=settings.ALLOW_LOOPBACK_SOURCES, listed=settings.CAMERA_SERVERS)
    with _one_at_a_time("search", organization):
        try:
            found = discovery.find_cameras(rule, target=discovery.GROUP, seconds=discovery.GATHER_S)
        except OSError:
            return {"cameras": [], "sentence": NO_NETWORK}
    known = _known_hosts(organization)
    cameras = [asdict(each) | {"known": known.get(each.host, "")} for each in found]
    return {"cameras": cameras, "sentence": "" if cameras else NOTHING}


def streams(organization: Organization, service: str, user: str, password: str) -> dict[str, Any]:
    """Return `{"streams": [...], "sentence": str}` within 10 s. Raises `Busy`.

    A stream is `{"kind", "address", "name", "codec", "width", "height", "fps"}`. The user name and
    the password are used for this question, and neither stored nor logged.
    """
    with _one_at_a_time("streams", organization):
        try:
            found = find_streams(
                service,
                user,
                password,
                allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
                listed=settings.CAMERA_SERVERS,
            )
        except SourceError as error:
            return {"streams": [], "sentence": error.sentence}
    return {"streams": [asdict(each) for each in found], "sentence": ""}


@contextmanager
def _one_at_a_time(what: str, organization: Organization) -> Iterator[None]:
    """Of each kind, as a search that its reader has left goes on for some seconds."""
    key = f"discovery-{what}-{organization.pk}"
    if not cache.add(key, True, LONGEST_S):
        raise Busy
    try:
        yield
    finally:
        cache.delete(key)


def _known_hosts(organization: Organization) -> dict[str, str]:
    """Host to name of the organization's cameras. A masked source holds the host as it is."""
    hosts: dict[str, str] = {}
    cameras = Camera.objects.filter(organization=organization, kind__in=SCHEMES)
    for name, kind, source in cameras.values_list("name", "kind", "shown_source"):
        with suppress(SourceError):
            hosts.setdefault(Address.parse(kind, source).host, name)
    return hosts
