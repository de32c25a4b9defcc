"""The callers of the access matrix, and the rows that the paths of its tables refer to."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.gate.inprocess import InProcessClient
from tests.installation import Installation
from tests.people import Scenario, create_scenario

# Columns of the tables. `REJECTED` have invalid credentials and are answered like `nobody`.
CALLERS = (
    "nobody",
    "outsider",
    "removed",
    "chatter",
    "reader",
    "viewer",
    "operator",
    "admin",
)
REJECTED = ("suspended", "expired", "revoked", "ticket")

_SCRIPT = """
import json
from datetime import timedelta
from django.contrib.sessions.models import Session
from django.utils import timezone
from cameras.models import *
from project.accounts.models import *
from cameras.models.tickets import TICKET_LIFE
from tests.cookies import create_session
ours = Organization.objects.get(slug="demo-club")
plaza = Camera.objects.get(organization=ours, name="Plaza")
created = dict(people=dict(), deletable=dict())
now = timezone.now()
for name in ("removed", "suspended", "expired", "revoked"):
    user = User.objects.create_user("{prefix}-" + name)
    membership = Membership.objects.create(user=user, organization=ours, role="admin")
    token, text = Token.objects.create(
        user=user, organization=ours, scopes=["read", "publish", "chat", "admin"])
    session = create_session(user)
    created["people"][name] = dict(username=user.username, token=text, session=session)
    if name == "removed":
        membership.delete()
    elif name == "suspended":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif name == "expired":
        Token.objects.filter(pk=token.pk).update(expiry=now - timedelta(seconds=1))
        Session.objects.filter(pk=session).update(expire_date=now)
    else:
        token.revoke()
        Session.objects.filter(pk=session).delete()
for caller in {callers}:
    name = "{prefix}: deletable by " + caller
    camera = Camera.objects.create(organization=ours, name=name, kind="push", enabled=False)
    key = StreamKey(camera=plaza, name=name)
    key.issue()
    link = ShareLink.objects.create(camera=plaza, name=name)
    user = User.objects.create_user("{prefix}-deletable-" + caller)
    member = Membership.objects.create(user=user, organization=ours)
    token, _ = Token.objects.create(user=user, organization=ours, scopes=["read"])
    created["deletable"][caller] = dict(camera=str(camera.pk), key=str(key.pk), link=str(link.pk),
        token=str(token.uid), member=str(member.pk), user=str(user.pk))
link = ShareLink.objects.create(camera=plaza, name="Gate")
created |= dict(link=str(link.pk), shared=link.text)
invitation = Invitation(organization=ours, name="Gate")
invitation.issue()
created["invitation"] = str(invitation.pk)
created["spare"] = dict()
for user in User.objects.filter(username__in=["{prefix}-" + caller for caller in {callers}]):
    token = user.auth_token_set.first()
    created["spare"][user.username.removeprefix("{prefix}-")] = Token.objects.create(
        user=user, organization=token.organization, scopes=token.scopes)[1]
token = Token.objects.filter(user__username="{prefix}-viewer").order_by("created").first()
created["token"] = str(token.uid)
print("CREATED" + json.dumps(created))
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """The credentials of a caller: a bearer token, a session cookie, a ticket, or none."""

    name: str
    token: str = ""
    session: str = ""
    query: str = ""

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Callers:
    """All callers by name, and the rows that the tables refer to."""

    def __init__(self, installation: Installation | InProcessClient, prefix: str) -> None:
        self.scenario: Scenario = create_scenario(installation, prefix)  # type: ignore[arg-type]
        script = _SCRIPT.replace("{callers}", str(CALLERS)).replace("{prefix}", prefix)
        printed = installation.manage("shell", "-v0", "-c", script)
        self.created = json.loads(printed.partition("CREATED")[2])
        people = self.scenario.people
        self.by_name = {
            name: Caller(name, people[name].token, people[name].session)
            for name in CALLERS
            if name in people
        }
        self.by_name |= {
            name: Caller(name, person["token"], person["session"])
            for name, person in self.created["people"].items()
        }
        self.by_name["nobody"] = Caller("nobody")
        self.by_name["ticket"] = Caller("ticket", query="?ticket=used")

    def with_spare_token(self, name: str) -> Caller:
        """Return the caller with another token, which the test may revoke."""
        return Caller(name, self.created["spare"][name])

    def values(self, name: str) -> dict[str, str]:
        """Return the values of the placeholders in paths and bodies.

        `deletable_*` are rows that only this caller's requests may delete.
        """
        scenario, created = self.scenario, self.created
        values = {
            "ours": scenario.ours, "theirs": scenario.theirs,
            "plaza": scenario.plaza, "push": scenario.push,
            "key": scenario.key, "key_id": scenario.key_id, "link_id": created["link"],
            "shared": created["shared"], "token_id": created["token"], "caller": name,
            "invitation": created["invitation"],
            "nothing": "00000000-0000-4000-8000-000000000000",
        }  # fmt: skip
        for purpose, (chat, prompt, answer) in scenario.chats.items():
            values[f"{purpose}_chat"] = chat
            values |= {f"{purpose}_prompt": prompt, f"{purpose}_answer": answer}
        deletable = created["deletable"]
        own = deletable[name if name in deletable else "nobody"]
        return values | {f"deletable_{kind}": pk for kind, pk in own.items()}
