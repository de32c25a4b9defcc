"""Accounts that share one mail address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from project.accounts.models import User
from project.accounts.views.password_reset import PEOPLE_MOST, _send_to

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_newcomers_with_ones_address_push_nobody_out() -> None:
    cache.clear()
    for number in range(PEOPLE_MOST + 1):  # they come first by any accident of order
        User.objects.create_user(f"late-{number}", "ann@example.org")
    ann = User.objects.create_user("ann", "Ann@example.org")
    User.objects.filter(pk=ann.pk).update(date_joined=timezone.now() - timedelta(days=9))
    _send_to("ann@example.org", "http://cameras.example.org", None)
    assert len(mail.outbox) == PEOPLE_MOST
    assert mail.outbox[0].to == ["Ann@example.org"]
    assert "for the account ann." in mail.outbox[0].body
