"""Reading, filtering and exporting the log in the admin; readings are logged."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.models import Camera
from project.accounts.models import Organization, User
from project.audit.export import encode_rows
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of, person
from tests.installation import KEEPER, Installation, submit
from tests.project.audit.reading import ask

LIST = "admin:audit_auditentry_changelist"


def entry(who: str = "x", action: str = "watch", subject: str = "s", **more: Any) -> AuditEntry:
    return AuditEntry.objects.create(who=who, action=action, subject=subject, **more)


def reads() -> list[tuple[str, str]]:
    found = AuditEntry.objects.filter(action__in=("read log", "export log")).order_by("pk")
    return list(found.values_list("action", "subject"))


def shown(answer: Any) -> set[str]:
    """Return the `who` of the entries on a page of the list."""
    assert answer.status_code == 200
    return {one.who for one in answer.context["entries"]} - {"root"}


@pytest.mark.postgres
@pytest.mark.django_db
def test_list_applies_all_filters(staff: Client, club: Organization, camera: Camera) -> None:
    old = timezone.now() - timedelta(days=3)
    entry("anna", "watch", camera.name, camera_id=camera.pk, organization=club)
    entry("bert", "sign in", "bert", organization=club)
    entry("carl", "watch", camera.name, camera_id=camera.pk, at=old)
    other = Organization.objects.create(name="Rowers", slug="b")
    entry("dora", "watch", "Lobby", organization=other, organization_name=other.name)
    entry("emil", "sign in", "emil", detail="by a reset link", address="192.0.2.77")
    listing = reverse(LIST)
    for query, expected in (
        ({}, {"anna", "bert", "carl", "dora", "emil"}),
        ({"who": "ANN"}, {"anna"}),
        ({"action": "sign in"}, {"bert", "emil"}),
        ({"camera": "gat"}, {"anna", "carl"}),
        ({"camera": str(camera.pk)}, {"anna", "carl"}),
        ({"until": f"{old:%Y-%m-%d}"}, {"carl"}),
        ({"since": f"{timezone.now():%Y-%m-%d}"}, {"anna", "bert", "dora", "emil"}),
        ({"organization": "row"}, {"dora"}),
        ({"camera": "gat", "since": f"{timezone.now():%Y-%m-%d}"}, {"anna"}),
        ({"q": "lobby"}, {"dora"}),
        ({"q": "RESET emil"}, {"emil"}),
        ({"q": "192.0.2.7"}, {"emil"}),
        ({"since": "nonsense"}, {"anna", "bert", "carl", "dora", "emil"}),
        ({"user__password__startswith": "a"}, {"anna", "bert", "carl", "dora", "emil"}),
    ):
        assert shown(staff.get(listing, query)) == expected, query


@pytest.mark.django_db
def test_links_of_the_page_keep_the_filters(staff: Client) -> None:
    query = {"who": "anna", "action": "watch", "before": "9"}
    page = staff.get(reverse(LIST), query).content.decode()
    assert '<option value="watch" selected>' in page
    assert 'name="who" value="anna"' in page
    assert "export.csv?who=anna&amp;action=watch" in page


@pytest.mark.django_db
def test_readings_are_logged_and_pages_of_a_list_count_once(staff: Client) -> None:
    for _ in range(120):
        entry("anna")
    listing = reverse(LIST)
    staff.get(listing, {"who": "anna"})
    oldest = AuditEntry.objects.filter(who="anna")[99].pk
    staff.get(listing, {"who": "anna", "before": str(oldest)})
    staff.get(listing, {"who": "bert"})
    staff.get(listing)
    assert reads() == [
        ("read log", "who anna"),
        ("read log", "who bert"),
        ("read log", "everything"),
    ]


@pytest.mark.django_db
def test_same_reading_a_minute_later_is_logged_again(staff: Client, root: User) -> None:
    earlier = timezone.now() - timedelta(seconds=61)
    entry("root", "read log", "everything", user=root, at=earlier)
    staff.get(reverse(LIST))
    assert reads() == [("read log", "everything")] * 2


@pytest.mark.django_db
def test_staff_without_permission_cannot_read_the_log(club: Organization, admin: User) -> None:
    helper = person("helper")
    helper.is_staff = True
    helper.save()
    client = client_of(helper)
    addresses = [reverse(LIST), reverse("admin:audit_auditentry_export")]
    assert [client.get(address).status_code for address in addresses] == [403, 403]
    assert [client_of(admin).get(address).status_code for address in addresses] == [302, 302]
    helper.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    assert client.get(addresses[0]).status_code == 200
    assert reads() == [("read log", "everything")]


@pytest.mark.postgres
@pytest.mark.django_db
def test_entry_of_deleted_user_and_organization_is_shown(
    staff: Client, club: Organization, viewer: User
) -> None:
    entry("viewer", user=viewer, organization=club, organization_name="Club")
    viewer.delete()
    club.delete()
    assert "viewer" in shown(staff.get(reverse(LIST)))
    assert "<td>Club</td>" in staff.get(reverse(LIST)).content.decode()


@pytest.mark.django_db  # not on PostgreSQL: an export returns a connection inside a transaction
@pytest.mark.parametrize("withdrawn", ["rank", "session"])
@pytest.mark.parametrize("where", ["page", "admin"])
def test_export_ends_when_the_right_is_withdrawn(
    monkeypatch: pytest.MonkeyPatch, club: Organization, admin: User, root: User,
    where: str, withdrawn: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("project.audit.export.CHUNK", 2)
    for _ in range(6):
        entry("anna", organization=club)
    reader, name, args = (
        (admin, "audit-file", [club.slug])
        if where == "page"
        else (root, "admin:audit_auditentry_export", [])
    )
    client, address = client_of(reader), reverse(name, args=args)

    def withdraw() -> None:
        if withdrawn == "session":
            client.logout()
        elif where == "page":
            reader.memberships.update(role="operator")
        else:
            User.objects.filter(pk=reader.pk).update(is_staff=False)

    async def read(at: int) -> list[bytes]:
        """Return the chunks of an export whose reader loses the right after `at` of them."""
        chunks: Any = (await sync_to_async(client.get)(address)).streaming_content
        received = []
        async for chunk in chunks:
            received.append(chunk)
            if len(received) == at:
                await sync_to_async(withdraw)()
        return received

    assert len(async_to_sync(read)(0)) > 4, "the header and all entries"
    assert len(async_to_sync(read)(2)) == 2


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("//x","y")', '"=1', "a,b"]
)
def test_csv_cells_are_never_formulas(cell: str) -> None:
    ((read, last),) = csv.reader(io.StringIO(encode_rows([[cell, "end"]]).decode(), newline=""))
    assert last == "end"
    assert not read.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert read.removeprefix("'") == cell


def _export(installation: Installation, query: str) -> list[dict[str, str]]:
    with httpx.Client(base_url=installation.url, timeout=30) as client:
        response = submit(client, client.get("/signin"), KEEPER)
        assert response.status_code == 302
        answer = client.get(f"/admin/audit/auditentry/export.csv{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


FILL = """
from project.audit.models import AuditEntry
for who, count in (("exported", 1203), ("others", 7)):
    AuditEntry.objects.bulk_create(
        AuditEntry(who=who, action="watch", subject=f"=cmd {n}") for n in range(count)
    )
"""


@pytest.mark.postgres
def test_export_contains_exactly_the_filtered_entries(installation: Installation) -> None:
    installation.manage("shell", "-v0", "-c", FILL)  # in a process of the installation
    rows = _export(installation, "?who=exported&before=2")
    assert [row["what"] for row in rows] == [f"'=cmd {n}" for n in range(1202, -1, -1)]
    assert {row["who"] for row in rows} == {"exported"}
    assert len(_export(installation, "?who=others&action=watch")) == 7
    (row,) = ask(
        installation,
        "SELECT COUNT(*) AS count FROM audit_auditentry "
        "WHERE action = 'export log' AND subject = 'who exported' AND who = 'keeper'",
    )
    assert row["count"] == 1
