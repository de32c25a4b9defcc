"""The second factor on the pages: turned on and off, asked for, and not to be got around."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from project.accounts.access import actor_for_session
from project.accounts.models import (
    Organization,
    RecoveryCode,
    SecondFactor,
    SignInLink,
    Token,
    User,
)
from project.accounts.models.second_factor import PAUSE_MOST, Paused
from project.accounts.views.passwords import NOT_PRESENT
from project.accounts.views.sign_in import WRONG_CODE
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, client_of
from tests.project.accounts.codes import Clock, code, enrol, first_step, is_in

pytestmark = pytest.mark.django_db
STEP = "/signin/code"


def test_turning_it_on_needs_a_code_of_the_key_and_the_password(viewer: User, clock: Clock) -> None:
    client, address = client_of(viewer), reverse("second-factor")
    page = client.get(address).content.decode()
    assert "data:image/svg+xml" in page
    assert client.get(address).content.decode().split('id="secret">')[1][:39] in page  # the same
    wrong = client.post(address, {"code": "000000", "password": PASSWORD}).content.decode()
    assert "does not fit this key" in wrong
    secret = page.split('id="secret">')[1][:39]
    wrong = client.post(address, {"code": code(secret, at=clock.now), "password": "no"})
    assert list(wrong.context["confirm_form"].errors) == ["password"]
    assert not SecondFactor.objects.exists()
    assert len(enrol(viewer, clock).recovery) == 10


def test_signing_in_asks_for_a_code_and_is_nobody_before(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    client = Client()
    form = {"username": "viewer", "password": PASSWORD, "next": "/account/password"}
    assert client.post(reverse("signin"), form)["Location"] == STEP
    assert not is_in(client)
    assert client.get(reverse("api-cameras")).status_code == 401
    assert actor_for_session(client.session.session_key) is None
    assert "authenticator app" in client.get(STEP).content.decode()
    answer = client.post(STEP, {"code": code(mine.secret, at=clock.now)})
    assert answer["Location"] == "/account/password"
    assert is_in(client)
    assert actor_for_session(client.session.session_key) is not None
    assert AuditEntry.objects.latest("pk").detail == "by a code, as the second step"


@pytest.mark.postgres
def test_a_code_is_right_once(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    now = code(mine.secret, at=clock.now)
    assert first_step(viewer).post(STEP, {"code": now}).status_code == 302
    again = first_step(viewer)
    assert "used before" in again.post(STEP, {"code": now}).content.decode()
    earlier = code(mine.secret, -1, clock.now)  # older than the one that was taken
    again.post(STEP, {"code": earlier})
    assert not is_in(again)


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_the_phone_s_clock_may_be_one_step_off(
    viewer: User, clock: Clock, steps: int, right: bool
) -> None:
    mine = enrol(viewer, clock)
    clock.turn(5)
    client = first_step(viewer)
    client.post(STEP, {"code": code(mine.secret, steps, clock.now)})
    assert is_in(client) is right


def test_a_code_is_read_as_people_type_it(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    now = code(mine.secret, at=clock.now)
    client = first_step(viewer)
    client.post(STEP, {"code": f" {now[:3]} {now[3:]} "})
    assert is_in(client)
    other = first_step(viewer)
    other.post(STEP, {"code": mine.recovery[0].upper().replace("-", " ")})
    assert is_in(other)


@pytest.mark.postgres
def test_a_recovery_code_works_once_and_is_kept_hashed(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    kept = str(list(RecoveryCode.objects.values_list("digest", flat=True)))
    assert not any(one in kept or one.replace("-", "") in kept for one in mine.recovery)
    assert mine.secret not in SecondFactor.objects.get().sealed_secret
    for _ in range(2):
        client = first_step(viewer)
        client.post(STEP, {"code": mine.recovery[3]})
    assert not is_in(client)
    assert viewer.recovery_codes.count() == 9


def test_recovery_codes_are_not_shown_again(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    page = mine.client.get(reverse("second-factor")).content.decode()
    assert "10 recovery codes left" in page
    assert mine.recovery[0] not in page
    assert mine.secret not in page.replace(" ", "")
    renewed = mine.client.post(reverse("recovery-codes"), {"proof": PASSWORD}).content.decode()
    assert "Your recovery codes" in renewed
    client = first_step(viewer)
    client.post(STEP, {"code": mine.recovery[0]})
    assert not is_in(client)


def test_the_second_step_ends_with_time_password_and_suspension(
    viewer: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = enrol(viewer, clock)
    now = {"code": code(mine.secret, at=clock.now)}
    late, changed, suspended = (first_step(viewer) for _ in range(3))
    session = late.session
    session["passed"] = session["passed"] | {"at": session["passed"]["at"] - 601}
    session.save()
    assert late.post(STEP, now)["Location"] == "/signin"
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert suspended.post(STEP, now)["Location"] == "/signin"
    User.objects.filter(pk=viewer.pk).update(is_active=True)
    viewer.set_password("another-" + PASSWORD)
    viewer.save()
    assert changed.post(STEP, now)["Location"] == "/signin"
    assert Client().post(STEP, now)["Location"] == "/signin"


def test_a_sign_in_link_stands_for_the_password_only(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    client = Client()
    link = reverse("signin-link", args=[SignInLink.issue(viewer)])
    assert client.post(link)["Location"] == STEP
    assert not is_in(client)
    client.post(STEP, {"code": code(mine.secret, at=clock.now)})
    assert is_in(client)


def test_the_admin_has_no_door_of_its_own(viewer: User, clock: Clock) -> None:
    User.objects.filter(pk=viewer.pk).update(is_staff=True, is_superuser=True)
    enrol(viewer, clock)
    client = Client()
    form = {"username": "viewer", "password": PASSWORD, "next": "/admin/"}
    for address in ("/admin/login/", "/admin/login/?next=/admin/"):
        assert client.post(address, form)["Location"] == "/signin?next=%2Fadmin%2F"
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert first_step(viewer, client).get("/admin/").status_code == 302
    assert client_of(viewer).get("/admin/password_change/")["Location"] == "/account/password"


def test_who_may_not_into_the_admin_is_told_instead_of_sent_around(viewer: User) -> None:
    client = client_of(viewer)
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/").status_code == 403


@pytest.mark.postgres
def test_turning_it_on_ends_other_browsers_and_sign_ins_but_not_tokens_of_the_list(
    viewer: User, club: Organization, clock: Clock
) -> None:
    other = client_of(viewer)
    signed_in, _ = Token.for_sign_in(viewer, club, "viewer")
    made, _ = Token.objects.create(user=viewer, organization=club, name="TV", scopes=["read"])
    mine = enrol(viewer, clock)
    assert is_in(mine.client)
    assert not is_in(other)
    assert set(Token.objects.alive()) == {made}
    assert signed_in not in Token.objects.alive()


def test_turning_it_off_needs_a_code_or_the_password(viewer: User, clock: Clock) -> None:
    mine, off = enrol(viewer, clock), reverse("second-factor-off")
    for wrong, why in (("no", NOT_PRESENT), ("123456", WRONG_CODE)):
        answer = mine.client.post(off, {"proof": wrong})
        assert answer.context["proof_form"].errors == {"proof": [why]}
    assert SecondFactor.is_on(viewer)
    assert mine.client.post(off, {"proof": code(mine.secret, at=clock.now)}).status_code == 302
    assert not SecondFactor.is_on(viewer)
    assert not RecoveryCode.objects.exists()
    assert is_in(first_step(viewer))
    details = AuditEntry.objects.filter(action="change second factor").order_by("pk")
    assert list(details.values_list("who", "detail")) == [("viewer", "on"), ("viewer", "off")]


def test_wrong_codes_are_counted_as_wrong_passwords_are(viewer: User, clock: Clock) -> None:
    enrol(viewer, clock)
    statuses = [first_step(viewer).post(STEP, {"code": "000000"}).status_code for _ in range(9)]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
    assert "wrong" not in str(statuses)


@pytest.mark.postgres
def test_wrong_codes_pause_the_person_wherever_they_come_from(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    for number in range(5):
        away: dict[str, Any] = {"REMOTE_ADDR": f"192.0.2.{number}"}
        client = Client(**away)
        first_step(viewer, client).post(STEP, {"code": "000000"})
    fresh = first_step(viewer, Client(REMOTE_ADDR="192.0.2.77"))
    right = {"code": code(mine.secret, at=clock.now)}
    answer = fresh.post(STEP, right)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 31
    fresh.post(STEP, {"code": mine.recovery[0]})  # the owner is not kept out
    assert is_in(fresh)
    SecondFactor.objects.update(paused_until=timezone.now())
    later = first_step(viewer, Client(REMOTE_ADDR="192.0.2.78"))
    later.post(STEP, right)
    assert is_in(later)


def test_pauses_have_a_ceiling(viewer: User, clock: Clock) -> None:
    enrol(viewer, clock)
    SecondFactor.objects.update(failures=4_000)
    assert not SecondFactor.accepts(viewer, "000000")
    with pytest.raises(Paused) as paused:
        SecondFactor.accepts(viewer, "000000")
    assert paused.value.seconds <= PAUSE_MOST.total_seconds()


def test_a_lost_phone_is_reset_by_who_runs_the_installation(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    call_command("signinlink", "viewer", reset_second_factor=True)
    assert not SecondFactor.is_on(viewer)
    assert not is_in(mine.client)  # whoever has the phone
    assert AuditEntry.objects.filter(who="this machine", detail="reset").exists()
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("signinlink", "viewer", reset_second_factor=True)


def test_the_admin_resets_it_and_only_a_superuser_does(
    viewer: User, outsider: User, clock: Clock
) -> None:
    enrol(viewer, clock)
    chosen = {"action": "reset_second_factor", "_selected_action": [str(viewer.pk)]}
    User.objects.filter(pk=outsider.pk).update(is_staff=True)
    address = reverse("admin:accounts_user_changelist")
    assert client_of(outsider).post(address, chosen).status_code == 403
    assert SecondFactor.is_on(viewer)
    User.objects.filter(pk=outsider.pk).update(is_superuser=True)
    client_of(outsider).post(address, chosen)
    assert not SecondFactor.is_on(viewer)
    reset = AuditEntry.objects.get(detail="reset")
    assert (reset.who, reset.subject) == ("outsider", "viewer")


def test_the_admin_makes_a_sign_in_link_for_one_person(viewer: User, outsider: User) -> None:
    User.objects.filter(pk=outsider.pk).update(is_staff=True, is_superuser=True)
    chosen = {"action": "make_sign_in_link", "_selected_action": [str(viewer.pk)]}
    address = reverse("admin:accounts_user_changelist")
    staff = client_of(outsider)
    answer = staff.post(address, chosen)
    assert "no-store" in answer["Cache-Control"]
    assert "messages" not in answer.cookies, "a cookie would keep it"
    link = answer.content.decode().split('value="http://testserver')[1].split('"')[0]
    assert link not in staff.get(address).content.decode(), "it is shown once"
    client = Client()
    client.post(link)
    assert is_in(client)
