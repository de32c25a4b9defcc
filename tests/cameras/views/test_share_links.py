"""Share links: operators create them on a camera's page, guests open them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.access import VISIT_SOCKETS_MOST, actor_for_ticket
from cameras.models import Camera, Kind, ShareLink, Ticket, Visit
from project.accounts.credentials import BadCredential, actor_for, renew_credentials
from project.accounts.models import User
from project.accounts.models.tokens import digest
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(camera: Camera) -> ShareLink:
    return ShareLink.objects.create(camera=camera, name="Grandparents", uses_most=3)


def address(link: ShareLink) -> str:
    return reverse("shared", args=[link.text])


def uses(link: ShareLink) -> int:
    link.refresh_from_db()
    return link.uses


def open_as_guest(link: ShareLink) -> Client:
    """Return a client that has opened the link."""
    guest = Client()
    assert guest.post(address(link)).status_code == 302
    return guest


@pytest.mark.postgres
def test_it_works(camera: Camera, operator: User) -> None:
    maker = client_of(operator)
    fields = {"name": "Grandparents", "hours": "168", "uses_most": "20"}
    page = maker.post(reverse("sharelink-add", args=[camera.pk]), fields, follow=True)
    link = ShareLink.objects.get()
    assert (link.created_by, link.uses_most) == (operator, 20)
    assert abs(link.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    shown = (
        f'id="new-share" class="mono" type="text" readonly value="http://testserver{address(link)}"'
    )
    assert shown in page.content.decode()
    assert "opened 0 of 20" in page.content.decode()

    guest = Client()
    first = guest.get(address(link)).content.decode()
    assert "<h1>Club shares the camera Gate with you</h1>" in first
    assert ">Watch</button>" in first
    answer = guest.post(address(link))
    assert (answer.status_code, answer["Location"]) == (302, address(link))
    shown = guest.get(address(link)).content.decode()
    assert f'data-ticket="{address(link)}/ticket"' in shown
    assert Visit.objects.alive().filter(link=link).count() == 1
    assert guest.cookies["sideline_visit"].value not in shown, "it would open the stream elsewhere"
    assert "opened 1 of 20" in maker.get(reverse("camera", args=[camera.pk])).content.decode()


def test_share_links_are_a_dialog_that_works_without_scripts(
    camera: Camera, operator: User, link: ShareLink
) -> None:
    client, page_url = client_of(operator), reverse("camera", args=[camera.pk])
    add = reverse("sharelink-add", args=[camera.pk])

    def is_open(page: HttpResponse) -> bool:
        return bool(re.search(r'<dialog [^>]*id="share-links"[^>]*\sopen>', page.content.decode()))

    assert not is_open(client.get(page_url))
    assert is_open(client.post(add, {"name": ""}))
    answer = client.post(add, {"name": "Parents", "hours": "1", "uses_most": "1"})
    made = ShareLink.objects.get(name="Parents")
    assert answer["Location"] == f"{page_url}?link={made.pk}"
    shown = client.get(answer["Location"])
    assert is_open(shown)
    assert "The share link “Parents” is made." in shown.content.decode()
    made.revoke()
    for value in (made.pk, "x", ""):
        assert not is_open(client.get(f"{page_url}?link={value}"))


def test_new_link_of_another_camera_is_not_shown(
    camera: Camera, operator: User, viewer: User, link: ShareLink
) -> None:
    other = Camera.objects.create(organization=camera.organization, name="Yard", kind=Kind.PUSH)
    page_url = reverse("camera", args=[other.pk])
    page = client_of(operator).get(f"{page_url}?link={link.pk}").content.decode()
    assert "new-share" not in page
    own = f"{reverse('camera', args=[camera.pk])}?link={link.pk}"
    assert "new-share" not in client_of(viewer).get(own).content.decode()


def test_viewing_the_first_page_changes_nothing(link: ShareLink) -> None:
    preview = Client()
    for _ in range(5):
        answer = preview.get(address(link))
        assert answer.status_code == 200
        assert not answer.cookies
        assert preview.head(address(link)).status_code == 200
    assert uses(link) == 0
    assert not Visit.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.postgres
def test_reload_and_second_post_do_not_count_as_uses(link: ShareLink) -> None:
    guest = open_as_guest(link)
    for _ in range(3):
        assert "data-ticket" in guest.get(address(link)).content.decode()
        assert guest.post(address(link)).status_code == 302
    assert uses(link) == 1
    open_as_guest(link)
    assert uses(link) == 2


@pytest.mark.parametrize("https", [False, True])
def test_cookie_has_the_path_and_lifetime_of_the_link(
    link: ShareLink, settings: Any, https: bool
) -> None:
    settings.SESSION_COOKIE_SECURE = https
    ShareLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    cookie = open_as_guest(link).cookies["sideline_visit"]
    assert cookie["path"] == address(link)
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert bool(cookie["secure"]) is https
    assert 3590 < int(cookie["max-age"]) <= 3600


def request_ticket(guest: Client, link: ShareLink, **headers: str) -> Any:
    return guest.post(f"{address(link)}/ticket", headers=headers)


@pytest.mark.postgres
def test_ticket_is_given_to_the_browser_that_opened_the_link(link: ShareLink) -> None:
    guest = open_as_guest(link)
    visit = guest.cookies["sideline_visit"].value
    answer = request_ticket(guest, link, Origin="http://testserver")
    assert answer.status_code == 200
    ticket = Ticket.objects.get(digest=digest(answer.json()["ticket"]))
    assert (ticket.camera, ticket.purpose) == (link.camera, "watch")
    assert (ticket.parent_kind, ticket.parent_credential_id) == ("visit", digest(visit))
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    cookie = answer.cookies["sideline_visit"]
    assert cookie["path"] == f"/ws/stream/shared-{link.pk.hex}"
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == (visit, True, "Lax")
    assert uses(link) == 1


def test_ticket_is_refused_to_others(link: ShareLink) -> None:
    assert request_ticket(Client(), link).status_code == 401
    second = ShareLink.objects.create(camera=link.camera, name="Second")
    guest = open_as_guest(second)
    assert request_ticket(guest, link).status_code == 401
    assert request_ticket(guest, second, Origin="https://evil.example").status_code == 403
    assert request_ticket(guest, second, Origin="null").status_code == 403
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert request_ticket(guest, second, **from_elsewhere).status_code == 403
    assert guest.get(f"{address(second)}/ticket").status_code == 405
    second.revoke()
    assert request_ticket(guest, second).status_code == 410
    assert not Ticket.objects.exists()


@pytest.mark.postgres
def test_visit_has_few_places_and_a_dead_process_gives_its_own_back(link: ShareLink) -> None:
    guest, other = open_as_guest(link), open_as_guest(link)
    texts = [request_ticket(guest, link).json()["ticket"] for _ in range(VISIT_SOCKETS_MOST)]
    refused = request_ticket(guest, link)
    assert (refused.status_code, refused["Retry-After"]) == (429, "30")
    assert "4 windows" in refused.json()["detail"]
    assert request_ticket(other, link).status_code == 200, "each visit has its own places"

    visit = guest.cookies["sideline_visit"].value
    soon = timezone.now() + timedelta(seconds=20)
    Ticket.objects.update(expires_at=soon)
    actors = [actor_for_ticket(text, visit)[0] for text in texts]
    held = Ticket.objects.filter(pk__in=[actor.credential.id for actor in actors])
    assert all(ticket.expires_at > soon for ticket in held), "a use counts from its beginning"
    assert request_ticket(guest, link).status_code == 429, "a used one is an open socket"
    Ticket.objects.update(expires_at=timezone.now())  # as after 30 s
    renew_credentials(actor.credential for actor in actors[1:])
    assert request_ticket(guest, link).status_code == 200
    assert request_ticket(guest, link).status_code == 429
    Ticket.release(actors[1].credential.id)
    assert request_ticket(guest, link).status_code == 200


def test_ticket_of_a_visit_needs_its_cookie(link: ShareLink) -> None:
    guest, thief = open_as_guest(link), open_as_guest(link)
    for cookie in ("", "nonsense", thief.cookies["sideline_visit"].value):
        with pytest.raises(BadCredential):
            actor_for_ticket(request_ticket(guest, link).json()["ticket"], cookie)
    ticket = request_ticket(guest, link).json()["ticket"]
    actor, _ = actor_for_ticket(ticket, guest.cookies["sideline_visit"].value)
    assert actor.resource_ids == (link.camera.pk,)
    link.revoke()
    assert actor_for(actor.credential) is None


def revoked(link: ShareLink) -> str:
    link.revoke()
    return address(link)


def expired(link: ShareLink) -> str:
    ShareLink.objects.filter(pk=link.pk).update(expires_at=timezone.now())
    return address(link)


def used_up(link: ShareLink) -> str:
    ShareLink.objects.filter(pk=link.pk).update(uses=3)
    return address(link)


def without_camera(link: ShareLink) -> str:
    link.camera.delete()
    return address(link)


def forged(link: ShareLink) -> str:
    return reverse("shared", args=[f"{link.pk.hex}:{'A' * 43}"])


WAYS = (revoked, expired, used_up, without_camera, forged, lambda _: "/shared/anything")


@pytest.mark.postgres
def test_all_invalid_links_get_the_same_answer(camera: Camera) -> None:
    answers = []
    for number, way in enumerate(WAYS):
        own = Camera.objects.create(
            organization=camera.organization, name=f"Other {number}", kind=Kind.PUSH
        )
        link = ShareLink.objects.create(camera=own, name=str(number), uses_most=3)
        ended = way(link)
        for answer in (Client().get(ended), Client().post(ended)):
            assert answer.status_code == 410, (way, ended)
            assert not answer.cookies
            answers.append(answer.content)
        assert not Visit.objects.exists()
    assert len(set(answers)) == 1
    assert b"Other" not in answers[0]


def test_returning_guests_of_an_ended_link_are_not_locked_out(link: ShareLink) -> None:
    ended = revoked(link)
    assert {Client().get(ended).status_code for _ in range(20)} == {410}
    guesses = [Client().get(f"/shared/guess{n}").status_code for n in range(10)]
    assert (guesses[0], guesses[-1]) == (410, 429)
    assert Client().get(ended).status_code == 410
    living = ShareLink.objects.create(camera=link.camera, name="Second")
    assert Client().get(address(living)).status_code == 200


@pytest.mark.parametrize("way", [revoked, expired])
def test_ended_link_shows_nothing_to_its_guests(
    link: ShareLink, way: Callable[[ShareLink], str]
) -> None:
    guest = open_as_guest(link)
    assert guest.get(way(link)).status_code == 410


@pytest.mark.postgres
def test_used_up_link_still_works_for_its_guests(link: ShareLink) -> None:
    guests = [open_as_guest(link) for _ in range(3)]
    assert Client().post(address(link)).status_code == 410
    assert uses(link) == 3
    for guest in guests:
        assert "data-ticket" in guest.get(address(link)).content.decode()


def test_visit_opens_no_other_link(link: ShareLink, camera: Camera) -> None:
    second = ShareLink.objects.create(camera=camera, name="Second")
    guest = Client()
    guest.cookies["sideline_visit"] = open_as_guest(link).cookies["sideline_visit"].value
    answer = guest.get(address(second)).content.decode()
    assert "data-ticket" not in answer
    assert ">Watch</button>" in answer


def test_guest_sees_one_camera_and_no_link_into_the_product(
    link: ShareLink, camera: Camera, operator: User
) -> None:
    Camera.objects.create(organization=camera.organization, name="Safe room", kind=Kind.PUSH)
    signed_in = client_of(operator)
    for guest in (Client(), signed_in):
        for page in (guest.get(address(link)), guest.post(address(link), follow=True)):
            html = page.content.decode()
            for secret in (str(camera.pk), "Safe room", "still.jpg", "snapshot", "/api/", "rail"):
                assert secret not in html, secret
            leads = re.findall(r'(?:href|action|data-signin|src)="([^"]*)"', html)
            assert all(one.startswith("/static/") for one in leads), leads
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)


def test_pages_of_a_link_send_no_referrer(link: ShareLink) -> None:
    answers: list[Any] = [Client().get(address(link)), Client().post(address(link))]
    answers += [open_as_guest(link).get(address(link)), Client().get("/shared/anything")]
    for answer in answers:
        assert isinstance(answer, HttpResponse)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer["X-Robots-Tag"]
        assert "no-store" in answer["Cache-Control"]


def test_form_with_a_null_origin_is_accepted(link: ShareLink) -> None:
    """Browsers then send `Origin: null`, and a guest has no CSRF cookie."""
    guest = Client(enforce_csrf_checks=True)
    answer = guest.post(address(link), headers={"Origin": "null"})
    assert answer.status_code == 302


@pytest.mark.postgres
def test_actions_are_in_the_audit_log(link: ShareLink, camera: Camera, operator: User) -> None:
    client = client_of(operator)
    fields = {"name": "Press", "hours": "1", "uses_most": "1"}
    client.post(reverse("sharelink-add", args=[camera.pk]), fields)
    open_as_guest(link)
    client.post(reverse("sharelink-revoke", args=[camera.pk, link.pk]))
    rows = AuditEntry.objects.exclude(action="sign in").order_by("pk")
    assert list(rows.values_list("who", "action", "subject")) == [
        ("operator", "make share link", "Press"),
        ("nobody known", "open share link", "Grandparents"),
        ("operator", "revoke share link", "Grandparents"),
    ]
    assert all(row.organization == camera.organization for row in rows)
    assert rows[0].detail.startswith("may be opened once, ends ")


def test_only_operators_can_create_and_revoke_links(
    link: ShareLink, camera: Camera, viewer: User, operator: User, outsider: User
) -> None:
    add = reverse("sharelink-add", args=[camera.pk])
    revoke = reverse("sharelink-revoke", args=[camera.pk, link.pk])
    fields = {"name": "Mine", "hours": "24", "uses_most": "5"}
    for url in (add, revoke):
        assert client_of(viewer).post(url, fields).status_code == 403
        assert client_of(outsider).post(url, fields).status_code == 404
        assert Client().post(url, fields)["Location"].startswith(reverse("signin"))
        assert client_of(operator).get(url).status_code == 405
    other = Camera.objects.create(organization=camera.organization, name="Two", kind=Kind.PUSH)
    elsewhere = reverse("sharelink-revoke", args=[other.pk, link.pk])
    assert client_of(operator).post(elsewhere).status_code == 404
    assert list(ShareLink.objects.alive()) == [link]
    page = client_of(viewer).get(reverse("camera", args=[camera.pk])).content.decode()
    assert "share-links" not in page
    assert link.text not in page


def test_panel_lists_only_valid_links(link: ShareLink, camera: Camera, operator: User) -> None:
    client, page = client_of(operator), reverse("camera", args=[camera.pk])
    old = ShareLink.objects.create(camera=camera, name="Old", expires_at=timezone.now())
    open_as_guest(link)
    html = client.get(page).content.decode()
    assert "opened 1 of 3, until" in html
    assert f'value="http://testserver{address(link)}"' in html
    assert f'data-copy="share-{link.pk}"' in html
    assert 'data-confirm="Revoke the share link “Grandparents”?' in html
    assert old.text not in html
    used_up(link)
    assert "opened 3 of 3: used up" in client.get(page).content.decode()
    answer = client.post(reverse("sharelink-revoke", args=[camera.pk, link.pk]), follow=True)
    assert "The share link “Grandparents” is revoked." in answer.content.decode()
    assert link.text not in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": ""}, "This field is required."),
        ({"hours": "1000000"}, "Select a valid choice"),
        ({"uses_most": "0"}, "Select a valid choice"),
    ],
)
def test_invalid_form_shows_the_error(
    camera: Camera, operator: User, wrong: dict[str, str], says: str
) -> None:
    fields = {"name": "Press", "hours": "24", "uses_most": "5"} | wrong
    page = client_of(operator).post(reverse("sharelink-add", args=[camera.pk]), fields)
    assert says in page.content.decode()
    assert not ShareLink.objects.exists()
