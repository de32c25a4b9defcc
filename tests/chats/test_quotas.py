"""Concurrent reservations and settlements do not deadlock."""

from __future__ import annotations

import pytest

from tests.installation import Installation

_SCRIPT = """
import threading
from django.db import connection, transaction
from chats.models import Quota
from project.accounts.models import Organization, User

ROUNDS = 40
shop = Organization.objects.create(name="Shop", slug="shop")
user = User.objects.create_user("anna")
with transaction.atomic():
    day = Quota.reserve(shop, user, 0, together=None, each=None)
faults = []

def reserve():
    with transaction.atomic():
        Quota.reserve(shop, user, 10, together=None, each=None)

def settle():
    with transaction.atomic():
        Quota.settle(shop.pk, user.pk, day, reserved=10, tokens_in=3, tokens_out=2)

def work(call):
    try:
        for _ in range(ROUNDS):
            call()
    except Exception as fault:
        faults.append(fault)
    finally:
        connection.close()

threads = [threading.Thread(target=work, args=(call,)) for call in (reserve, settle) * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for row in Quota.objects.filter(organization=shop):
    assert (row.tokens_in, row.tokens_out) == (6 * ROUNDS, 4 * ROUNDS) or faults, row
print("FAULTS", faults)
"""


@pytest.mark.postgres
def test_reserving_and_settling_do_not_deadlock(club: Installation) -> None:
    assert "FAULTS []" in club.manage("shell", "-v0", "-c", _SCRIPT)
