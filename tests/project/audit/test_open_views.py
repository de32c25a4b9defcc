"""One row a view: openings within a minute join, in all processes, and each view is one entry."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from cameras.access import actor_for_ticket, issue_visit_ticket
from cameras.models import Camera, ShareLink, Ticket
from project.accounts.credentials import Credential, actor_for
from project.accounts.models import Organization, Token, User
from project.accounts.models.tokens import digest
from project.audit.log import Action
from project.audit.models import AuditEntry, Viewing
from project.audit.open_views import LONGEST, PAUSE, View, reap, store
from project.audit.recent_views import RecentViews
from project.audit.requesters import Requester
from tests.installation import Installation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

PHONE = "192.0.2.1"


def view_of(
    camera: Camera,
    user: User | None = None,
    *,
    key: str = "a",
    address: str = PHONE,
    action: Action = Action.WATCH,
) -> View:
    return View.of(Requester(user, Credential("token", key), address), camera, action)


def rows() -> list[tuple[str, int]]:
    return list(Viewing.objects.order_by("started_at").values_list("action", "openings"))


def age(by: timedelta) -> None:
    """Make all open views older."""
    for row in Viewing.objects.all():
        row.started_at, row.seen_at = row.started_at - by, row.seen_at - by
        row.save()


def test_thousand_openings_of_one_guest_are_one_row(camera: Camera, viewer: User) -> None:
    views = RecentViews()
    view = view_of(camera, viewer)
    for _ in range(1200):
        if not views.open(view, lasting=True):
            views.store([view])
    for _ in range(1200):
        views.close(view)
    views.renew()
    assert rows() == [("watch", 1200)]
    age(PAUSE * 2)
    assert reap() == 1
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.openings, entry.times) == ("viewer", 1200, "1,200 times")
    assert not Viewing.objects.exists()


def test_openings_within_a_minute_join_and_later_ones_do_not(camera: Camera) -> None:
    view = view_of(camera)
    store({view: 1})
    age(timedelta(seconds=50))
    store({view: 1})
    assert rows() == [("watch", 2)]
    age(timedelta(hours=8))
    store({view: 1})  # the server was down for the night: nothing has reaped the row
    assert rows() == [("watch", 1)]
    entry = AuditEntry.objects.get()
    assert entry.openings == 2
    assert entry.started_at is not None
    assert entry.ended_at is not None
    assert timedelta(seconds=49) < entry.ended_at - entry.started_at < timedelta(seconds=60)
    assert entry.at == entry.ended_at


def test_each_credential_address_camera_and_action_is_a_view(
    camera: Camera, club: Organization, viewer: User
) -> None:
    other = Camera.objects.create(organization=club, name="Pitch", kind="push")
    each = [
        view_of(camera),
        view_of(camera, key="b"),
        view_of(camera, viewer),
        view_of(camera, address="192.0.2.2"),
        view_of(other),
        *(view_of(camera, action=action) for action in (
            Action.WATCH_MJPEG, Action.STILLS, Action.SNAPSHOT, Action.PUBLISH,
        )),
    ]  # fmt: skip
    store(dict.fromkeys(each, 1))
    store(dict.fromkeys(each, 1))
    assert len(rows()) == len(each) == 9
    assert {openings for _, openings in rows()} == {2}


def test_addresses_of_one_ipv6_network_are_one_view(camera: Camera) -> None:
    for host in range(1, 50):
        store({view_of(camera, address=f"2001:db8:1:2::{host:x}"): 1})
    store({view_of(camera, address="2001:db8:1:3::1"): 1})
    assert sorted(openings for _, openings in rows()) == [1, 49]


def test_tickets_of_one_token_are_one_view(camera: Camera, viewer: User) -> None:
    token, _ = Token.objects.create(user=viewer, organization=camera.organization, scopes=["read"])
    parent = Credential("token", token.digest)
    for _ in range(3):
        text, _ = Ticket.issue(camera, Ticket.Purpose.WATCH, parent)
        actor, _ = actor_for_ticket(text)
        store({View.of(Requester.of({}, actor), camera, Action.WATCH): 1})
    row = Viewing.objects.get()
    assert (row.openings, row.who) == (3, "viewer")
    assert row.via.startswith("ticket of a token")
    direct = actor_for(parent)
    store({View.of(Requester.of({}, direct), camera, Action.WATCH): 1})
    assert rows() == [("watch", 4)]


def test_each_visit_of_a_share_link_is_a_view(camera: Camera) -> None:
    link = ShareLink.objects.create(camera=camera, name="Party")
    for _ in range(2):
        cookie = link.open()
        assert cookie is not None
        visit = link.visits.get(digest=digest(cookie))
        for _ in range(5):
            ticket, _ = issue_visit_ticket(visit)
            actor, used = actor_for_ticket(ticket, cookie)
            assert actor.parents == (
                Credential("visit", visit.pk),
                Credential("link", str(link.pk)),
            )
            store({View.of(Requester.of({}, actor), camera, Action.WATCH): 1})
            Ticket.release(used.pk)
    assert rows() == [("watch", 5), ("watch", 5)]
    assert set(Viewing.objects.values_list("who", flat=True)) == {"share link “Party”"}


def test_view_of_two_processes_is_one_row_until_both_have_ended(camera: Camera) -> None:
    first, second = RecentViews(), RecentViews()
    view = view_of(camera)
    for process in (first, second):
        assert not process.open(view, lasting=True)
        process.store([view])
    assert rows() == [("watch", 2)]
    first.close(view)
    first.store([view])
    age(PAUSE - timedelta(seconds=5))
    second.renew()
    assert reap() == 0, "it is open in the second process"
    age(PAUSE + timedelta(seconds=5))  # the second process was killed: it renews no more
    assert reap() == 1
    assert AuditEntry.objects.get().openings == 2


def test_long_view_gets_an_entry_each_day(camera: Camera) -> None:
    view = view_of(camera)
    store({view: 3})
    began = Viewing.objects.get().started_at - LONGEST - timedelta(minutes=1)
    Viewing.objects.update(started_at=began)
    assert reap() == 1
    assert reap() == 0
    first = AuditEntry.objects.get()
    assert (first.started_at, first.openings) == (began, 3)
    row = Viewing.objects.get()
    assert (row.started_at, row.openings, row.times) == (first.ended_at, 0, "continued")
    store({view: 0})  # a heartbeat
    age(PAUSE * 2)
    assert reap() == 1
    assert AuditEntry.objects.latest("pk").times == "continued"


def test_view_that_ended_with_its_day_has_no_empty_entry(camera: Camera) -> None:
    store({view_of(camera): 1})
    Viewing.objects.update(started_at=timezone.now() - LONGEST - timedelta(minutes=1))
    assert reap() == 1
    age(PAUSE * 2)
    reap()
    assert not Viewing.objects.exists()
    assert AuditEntry.objects.count() == 1


def test_rows_are_locked_before_they_become_entries(camera: Camera) -> None:
    """The same query in two processes: whoever comes second finds nothing to write."""
    store({view_of(camera): 1})
    age(PAUSE * 2)
    assert [reap(), reap()] == [1, 0]
    assert AuditEntry.objects.count() == 1


_CONCURRENT = """
import threading
from django.db import connection
from cameras.models import Camera
from project.accounts.access import Credential
from project.audit.log import Action
from project.audit.models import Viewing
from project.audit.open_views import View
from project.audit.recent_views import RecentViews
from project.audit.requesters import Requester

camera = Camera.objects.select_related("organization").first()
views = [View.of(Requester(None, Credential("token", key), None), camera, Action.SNAPSHOT)
         for key in "abcdef"]
barrier, faults = threading.Barrier(4), []

def work():
    process = RecentViews()
    try:
        barrier.wait(20)
        for _ in range(10):
            for view in views:
                process.open(view, lasting=False)
            process.store(views)
    except Exception as fault:
        faults.append(fault)
    finally:
        connection.close()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
rows = Viewing.objects.filter(pk__in=[view.id for view in views])
print("COUNTED", list(rows.values_list("openings", flat=True)), faults)
"""


def test_concurrent_processes_count_every_opening(installation: Installation) -> None:
    printed = installation.manage("shell", "-v0", "-c", _CONCURRENT)
    assert f"COUNTED {[40] * 6} []" in printed


def test_opening_that_is_taken_back_after_its_view_ended_leaves_no_negative_count(
    camera: Camera,
) -> None:
    view, other = view_of(camera), view_of(camera, key="b")
    store({view: -1, other: 1})
    assert sorted(rows()) == [("watch", 0), ("watch", 1)]


def test_view_that_begins_anew_is_described_although_its_ticket_is_gone(camera: Camera) -> None:
    link = ShareLink.objects.create(camera=camera, name="Party")
    cookie = link.open()
    assert cookie is not None
    ticket, _ = issue_visit_ticket(link.visits.get(digest=digest(cookie)))
    actor, used = actor_for_ticket(ticket, cookie)
    view = View.of(Requester.of({}, actor), camera, Action.WATCH)
    store({view: 1})
    Ticket.release(used.pk)
    Viewing.objects.update(seen_at=timezone.now() - 2 * PAUSE)
    store({view: 1})
    row = Viewing.objects.get()
    assert (row.who, row.via) == ("share link “Party”", "ticket of a share link")
    assert AuditEntry.objects.get().who == row.who
