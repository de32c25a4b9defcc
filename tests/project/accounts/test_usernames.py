"""New usernames that people could take for another one, at every door that makes an account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from project import installation
from project.accounts.models import Invitation, Organization, User
from project.accounts.usernames import skeleton, validate_new_username
from project.settings.environment import BadSetting
from tests.cameras.views.rows import client_of

# Beside “admin”, “maria.rossi”, “bob” and “sarah10”.
EXISTING = ("admin", "maria.rossi", "BOB", "sarah10", "Сосо", "josé")
LIKE_ANOTHER = {
    "case": "Admin",
    "compatibility letters": "\uff41\uff44\uff4d\uff49\uff4e",
    "capital I for l": "saraH1O",
    "zero": "sarahl0",
    "rn for m": "adrnin",
    "dotless i": "admın",
    "whole name in Cyrillic": "ВОВ",
    "Latin for a Cyrillic name": "coco",
    "composed otherwise": "jose\u0301",
}
MIXED = {
    "Cyrillic a": "\u0430dmin",
    "Greek o": "b\u03bfb2",
    "Armenian o": "t\u0585m",
    "Cyrillic and Greek": "\u0430\u03b1",
    "Arabic and Latin": "ali\u0639",
    "Japanese and Korean": "\u3042\uac00",
}
RARE = {"Cherokee": "\u13aa\u13b7", "Lisu": "\ua4d0\ua4d1", "Coptic": "\u2c81\u2c83"}
FREE = (
    "анна", "ελένη", "Արմեն", "დავით", "דוד", "محمد", "राम", "สมชาย", "田中", "たなか", "김철수",
    "田中taro", "김a", "lia", "ila", "jose", "jörg", "ana.maria@club.example", "bo", "2026", "иван",
)  # fmt: skip


@pytest.mark.parametrize("name", LIKE_ANOTHER.values(), ids=LIKE_ANOTHER)
def test_name_that_looks_like_an_existing_one_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="looks like it") as refused:
        validate_new_username(User.normalize_username(name), EXISTING)
    assert refused.value.code == "taken"


@pytest.mark.parametrize("name", (MIXED | RARE).values(), ids=MIXED | RARE)
def test_name_of_mixed_or_rare_scripts_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="alphabet"):
        validate_new_username(name, ())


@pytest.mark.parametrize("name", FREE)
def test_name_in_one_script_is_free(name: str) -> None:
    validate_new_username(name, EXISTING)


def test_skeletons_are_stable() -> None:
    for name in (*EXISTING, *LIKE_ANOTHER.values(), *FREE):
        assert skeleton(skeleton(name)) == skeleton(name)


DOORS = pytest.mark.parametrize("name", ["\u0430dmin", "Admin", "adm\u0131n"])


@DOORS
@pytest.mark.django_db
def test_invitation_refuses_it(club: Organization, admin: User, name: str) -> None:
    ends = timezone.now() + timedelta(days=1)
    invitation = Invitation(
        organization=club, name="New", membership=admin.memberships.get(), expires_at=ends
    )
    form = {"username": name, "password1": "long enough 42", "password2": "long enough 42"}
    link = invitation.issue()
    page = Client().post(reverse("invitation", args=[link]), form)
    assert page.status_code == 200
    assert not User.objects.filter(username=name).exists()
    assert invitation.is_open


@DOORS
@pytest.mark.django_db
def test_admin_refuses_it(admin: User, name: str) -> None:
    User.objects.filter(pk=admin.pk).update(is_staff=True, is_superuser=True)
    client = client_of(User.objects.get(pk=admin.pk))
    form = {"username": name, "password1": "long enough 42", "password2": "long enough 42"}
    page = client.post(reverse("admin:accounts_user_add"), form | {"usable_password": "true"})
    assert page.status_code == 200
    assert not User.objects.filter(username=name).exists()


@DOORS
@pytest.mark.django_db
def test_commands_and_settings_refuse_it(
    admin: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "long enough 42")
    with pytest.raises(CommandError, match=r"alphabet|looks like"):
        call_command("createsuperuser", username=name, email="", interactive=False)
    monkeypatch.setattr(installation.settings, "ADMIN_USERNAME", name)
    monkeypatch.setattr(installation.settings, "ADMIN_PASSWORD", "long enough 42")
    with pytest.raises(BadSetting, match="SIDELINE_ADMIN_USERNAME"):
        installation._ensure_configured_administrator()
    assert not User.objects.filter(username=name).exists()


@pytest.mark.django_db
def test_existing_account_with_such_a_name_keeps_working(admin: User) -> None:
    User.objects.bulk_create([User(username="\u0430dmin")])  # as an earlier version made it
    earlier = User.objects.get(username="\u0430dmin")
    earlier.set_password("long enough 42")
    earlier.full_clean(exclude=["password"])
    earlier.save()
    with pytest.raises(ValidationError, match="alphabet"):
        User(pk=earlier.pk, username="\u0430dmin2").clean()
