"""The second factor on the pages: turning it on and off, and signing in with it."""

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
from project.accounts.models.second_factor import (
    LONGEST_PAUSE,
    Paused,
    matching_step,
    otpauth_uri,
)
from project.accounts.views.passwords import NOT_PRESENT
from project.accounts.views.sign_in import WRONG_CODE
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, client_of
from tests.project.accounts.codes import Clock, code, enrol, first_step, is_signed_in

pytestmark = pytest.mark.django_db
STEP = "/signin/code"


def test_turning_on_needs_a_code_and_the_password(viewer: User, clock: Clock) -> None:
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


def test_session_is_not_signed_in_before_the_code(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    client = Client()
    form = {"username": "viewer", "password": PASSWORD, "next": "/account/password"}
    assert client.post(reverse("signin"), form)["Location"] == STEP
    assert not is_signed_in(client)
    assert client.get(reverse("api-cameras")).status_code == 401
    assert actor_for_session(client.session.session_key) is None
    assert "authenticator app" in client.get(STEP).content.decode()
    response = client.post(STEP, {"code": code(enrolled.secret, at=clock.now)})
    assert response["Location"] == "/account/password"
    assert is_signed_in(client)
    assert actor_for_session(client.session.session_key) is not None
    assert AuditEntry.objects.latest("pk").detail == "by a code, as the second step"


@pytest.mark.postgres
def test_code_is_valid_once(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    now = code(enrolled.secret, at=clock.now)
    assert first_step(viewer).post(STEP, {"code": now}).status_code == 302
    again = first_step(viewer)
    assert "used before" in again.post(STEP, {"code": now}).content.decode()
    earlier = code(enrolled.secret, -1, clock.now)  # older than the one that was used
    again.post(STEP, {"code": earlier})
    assert not is_signed_in(again)


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_code_may_be_one_step_early_or_late(
    viewer: User, clock: Clock, steps: int, right: bool
) -> None:
    enrolled = enrol(viewer, clock)
    clock.advance(5)
    client = first_step(viewer)
    client.post(STEP, {"code": code(enrolled.secret, steps, clock.now)})
    assert is_signed_in(client) is right


def test_vectors_of_rfc_6238_and_the_address_for_apps(clock: Clock) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # 12345678901234567890
    for clock.now, digits in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        step = int(clock.now) // 30
        assert matching_step(secret, digits) == step
        assert matching_step(secret, digits, after=step) is None
    assert matching_step(secret, "３５３１３０") is None
    assert otpauth_uri(secret, User(username="ann+b@club")) == (
        f"otpauth://totp/Sideline:ann%2Bb%40club?secret={secret}&issuer=Sideline"
    )


def test_spaces_and_case_of_codes_are_ignored(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    now = code(enrolled.secret, at=clock.now)
    client = first_step(viewer)
    client.post(STEP, {"code": f" {now[:3]} {now[3:]} "})
    assert is_signed_in(client)
    other = first_step(viewer)
    other.post(STEP, {"code": enrolled.recovery[0].upper().replace("-", " ")})
    assert is_signed_in(other)


@pytest.mark.postgres
def test_recovery_code_works_once_and_is_stored_as_a_digest(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    stored = str(list(RecoveryCode.objects.values_list("digest", flat=True)))
    assert not any(text in stored or text.replace("-", "") in stored for text in enrolled.recovery)
    assert enrolled.secret not in SecondFactor.objects.get().sealed_secret
    for _ in range(2):
        client = first_step(viewer)
        client.post(STEP, {"code": enrolled.recovery[3]})
    assert not is_signed_in(client)
    assert viewer.recovery_codes.count() == 9


def test_recovery_codes_are_not_shown_again(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    page = enrolled.client.get(reverse("second-factor")).content.decode()
    assert "10 recovery codes left" in page
    assert enrolled.recovery[0] not in page
    assert enrolled.secret not in page.replace(" ", "")
    renewed = enrolled.client.post(reverse("recovery-codes"), {"proof": PASSWORD}).content.decode()
    assert "Your recovery codes" in renewed
    client = first_step(viewer)
    client.post(STEP, {"code": enrolled.recovery[0]})
    assert not is_signed_in(client)


def test_first_step_expires_with_time_password_change_and_suspension(
    viewer: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled = enrol(viewer, clock)
    now = {"code": code(enrolled.secret, at=clock.now)}
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


def test_sign_in_link_does_not_replace_the_second_factor(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    client = Client()
    link = reverse("signin-link", args=[SignInLink(user=viewer).issue()])
    assert client.post(link)["Location"] == STEP
    assert not is_signed_in(client)
    client.post(STEP, {"code": code(enrolled.secret, at=clock.now)})
    assert is_signed_in(client)


def test_admin_has_no_sign_in_of_its_own(viewer: User, clock: Clock) -> None:
    User.objects.filter(pk=viewer.pk).update(is_staff=True, is_superuser=True)
    enrol(viewer, clock)
    client = Client()
    form = {"username": "viewer", "password": PASSWORD, "next": "/admin/"}
    for address in ("/admin/login/", "/admin/login/?next=/admin/"):
        assert client.post(address, form)["Location"] == "/signin?next=%2Fadmin%2F"
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert first_step(viewer, client).get("/admin/").status_code == 302
    assert client_of(viewer).get("/admin/password_change/")["Location"] == "/account/password"


def test_admin_answers_403_to_users_who_are_not_staff(viewer: User) -> None:
    client = client_of(viewer)
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/").status_code == 403


@pytest.mark.postgres
def test_turning_on_ends_other_sessions_and_sign_ins_but_no_program_tokens(
    viewer: User, club: Organization, clock: Clock
) -> None:
    other = client_of(viewer)
    sign_in, _ = Token.for_sign_in(viewer, club, "viewer")
    program, _ = Token.objects.create(user=viewer, organization=club, name="TV", scopes=["read"])
    enrolled = enrol(viewer, clock)
    assert is_signed_in(enrolled.client)
    assert not is_signed_in(other)
    assert set(Token.objects.alive()) == {program}
    assert sign_in not in Token.objects.alive()


def test_turning_off_needs_a_code_or_the_password(viewer: User, clock: Clock) -> None:
    enrolled, off = enrol(viewer, clock), reverse("second-factor-off")
    for wrong, error in (("no", NOT_PRESENT), ("123456", WRONG_CODE)):
        response = enrolled.client.post(off, {"proof": wrong})
        assert response.context["proof_form"].errors == {"proof": [error]}
    assert SecondFactor.is_on(viewer)
    assert (
        enrolled.client.post(off, {"proof": code(enrolled.secret, at=clock.now)}).status_code == 302
    )
    assert not SecondFactor.is_on(viewer)
    assert not RecoveryCode.objects.exists()
    assert is_signed_in(first_step(viewer))
    details = AuditEntry.objects.filter(action="change second factor").order_by("pk")
    assert list(details.values_list("who", "detail")) == [("viewer", "on"), ("viewer", "off")]


def test_wrong_codes_are_counted_like_wrong_passwords(viewer: User, clock: Clock) -> None:
    enrol(viewer, clock)
    statuses = [first_step(viewer).post(STEP, {"code": "000000"}).status_code for _ in range(9)]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
    assert "wrong" not in str(statuses)


@pytest.mark.postgres
def test_wrong_codes_from_any_address_pause_the_user(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    for number in range(5):
        away: dict[str, Any] = {"REMOTE_ADDR": f"192.0.2.{number}"}
        client = Client(**away)
        first_step(viewer, client).post(STEP, {"code": "000000"})
    fresh = first_step(viewer, Client(REMOTE_ADDR="192.0.2.77"))
    right = {"code": code(enrolled.secret, at=clock.now)}
    response = fresh.post(STEP, right)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 31
    fresh.post(STEP, {"code": enrolled.recovery[0]})  # the user can still sign in
    assert is_signed_in(fresh)
    SecondFactor.objects.update(paused_until=timezone.now())
    later = first_step(viewer, Client(REMOTE_ADDR="192.0.2.78"))
    later.post(STEP, right)
    assert is_signed_in(later)


def test_pauses_have_a_maximum(viewer: User, clock: Clock) -> None:
    enrol(viewer, clock)
    SecondFactor.objects.update(failures=4_000)
    assert not SecondFactor.verify(viewer, "000000")
    with pytest.raises(Paused) as paused:
        SecondFactor.verify(viewer, "000000")
    assert paused.value.seconds <= LONGEST_PAUSE.total_seconds()


def test_command_resets_the_second_factor(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    call_command("signinlink", "viewer", reset_second_factor=True)
    assert not SecondFactor.is_on(viewer)
    assert not is_signed_in(enrolled.client)  # sessions with the lost phone are ended
    assert AuditEntry.objects.filter(who="this machine", detail="reset").exists()
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("signinlink", "viewer", reset_second_factor=True)


def test_only_superuser_can_reset_the_second_factor_in_the_admin(
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


def test_admin_can_create_a_sign_in_link(viewer: User, outsider: User) -> None:
    User.objects.filter(pk=outsider.pk).update(is_staff=True, is_superuser=True)
    chosen = {"action": "make_sign_in_link", "_selected_action": [str(viewer.pk)]}
    address = reverse("admin:accounts_user_changelist")
    staff = client_of(outsider)
    response = staff.post(address, chosen)
    assert "no-store" in response["Cache-Control"]
    assert "messages" not in response.cookies, "a message would be stored in a cookie"
    link = response.content.decode().split('value="http://testserver')[1].split('"')[0]
    assert link not in staff.get(address).content.decode(), "it is shown once"
    client = Client()
    client.post(link)
    assert is_signed_in(client)
