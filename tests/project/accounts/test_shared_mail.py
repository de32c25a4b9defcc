"""Password resets for accounts that share an e-mail address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from project.accounts.models import User
from project.accounts.views.password_reset import USERS_MOST, _send_links

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_new_accounts_with_the_same_address_do_not_displace_old_ones() -> None:
    cache.clear()
    for number in range(USERS_MOST + 1):  # stored first, so only `date_joined` puts ann before them
        User.objects.create_user(f"late-{number}", "ann@example.org")
    ann = User.objects.create_user("ann", "Ann@example.org")
    User.objects.filter(pk=ann.pk).update(date_joined=timezone.now() - timedelta(days=9))
    _send_links("ann@example.org", "http://cameras.example.org", None)
    assert len(mail.outbox) == USERS_MOST
    assert mail.outbox[0].to == ["Ann@example.org"]
    assert "for the account ann." in mail.outbox[0].body
