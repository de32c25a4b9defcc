"""Who knocks: the cast of people, those whose right has ended, and what each may break."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.gate.inprocess import InProcess
from tests.installation import Installation
from tests.people import Cast, assemble

# By what they hold. The first column of the table is also that of `GONE`.
ASKERS = (
    "nobody",
    "outsider",
    "removed",
    "chatter",
    "reader",
    "viewer",
    "operator",
    "admin",
)
GONE = ("suspended", "expired", "revoked", "ticket")

_SCRIPT = """
import json
from datetime import timedelta
from django.contrib.sessions.models import Session
from django.utils import timezone
from cameras.models import *
from project.accounts.models import *
from cameras.models.tickets import TICKET_LIFE
from tests.cookies import cookie_of
ours = Organization.objects.get(slug="demo-club")
plaza = Camera.objects.get(organization=ours, name="Plaza")
told = dict(people=dict(), doomed=dict())
now = timezone.now()
for name in ("removed", "suspended", "expired", "revoked"):
    user = User.objects.create_user("{name}-" + name)
    membership = Membership.objects.create(user=user, organization=ours, role="admin")
    token, text = Token.objects.create(
        user=user, organization=ours, scopes=["read", "publish", "chat", "admin"])
    session = cookie_of(user)
    told["people"][name] = dict(username=user.username, token=text, session=session)
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
for asker in {askers}:
    name = "{name}: doomed by " + asker
    camera = Camera.objects.create(organization=ours, name=name, kind="push", enabled=False)
    key = StreamKey(camera=plaza, name="{name}: doomed by " + asker)
    key.issue()
    link = ShareLink.objects.create(camera=plaza, name="{name}: doomed by " + asker)
    user = User.objects.create_user("{name}-doomed-" + asker)
    member = Membership.objects.create(user=user, organization=ours)
    token, _ = Token.objects.create(user=user, organization=ours, scopes=["read"])
    told["doomed"][asker] = dict(camera=str(camera.pk), key=str(key.pk), link=str(link.pk),
        token=str(token.uid), member=str(member.pk), user=str(user.pk))
link = ShareLink.objects.create(camera=plaza, name="Gate")
told |= dict(link=str(link.pk), shared=link.text)
invitation = Invitation(organization=ours, name="Gate")
invitation.issue()
told["invitation"] = str(invitation.pk)
told["spare"] = dict()
for user in User.objects.filter(username__in=["{name}-" + asker for asker in {askers}]):
    one = user.auth_token_set.first()
    told["spare"][user.username.removeprefix("{name}-")] = Token.objects.create(
        user=user, organization=one.organization, scopes=one.scopes)[1]
token = Token.objects.filter(user__username="{name}-viewer").order_by("created").first()
told["token"] = str(token.uid)
print("TOLD" + json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class Asker:
    """By what somebody asks: a bearer token, a session cookie, a ticket; or nothing."""

    name: str
    token: str = ""
    session: str = ""
    query: str = ""

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Crowd:
    """All askers, and the rows they ask for; `facts(asker)` fills in the paths of the table."""

    def __init__(self, installation: Installation | InProcess, name: str) -> None:
        self.cast: Cast = assemble(installation, name)  # type: ignore[arg-type]
        script = _SCRIPT.replace("{askers}", str(ASKERS)).replace("{name}", name)
        printed = installation.manage("shell", "-v0", "-c", script)
        self.told = json.loads(printed.partition("TOLD")[2])
        people = {name: vars_of(self.cast[name]) for name in ASKERS if name in self.cast.people}
        people |= self.told["people"]
        self.askers = {
            name: Asker(name, person["token"], person["session"]) for name, person in people.items()
        }
        self.askers |= {"nobody": Asker("nobody"), "ticket": Asker("ticket", query="?ticket=used")}

    def spare(self, asker: str) -> Asker:
        """The same person by another token, which may be revoked."""
        return Asker(asker, self.told["spare"][asker])

    def facts(self, asker: str) -> dict[str, str]:
        """What stands in the braces of a path or a body."""
        cast, told = self.cast, self.told
        facts = {
            "ours": cast.ours, "plaza": cast.plaza, "push": cast.push, "key_id": cast.key_id,
            "link_id": told["link"], "shared": told["shared"], "token_id": told["token"],
            "asker": asker, "invitation": told["invitation"],
            "nothing": "00000000-0000-4000-8000-000000000000",
        }  # fmt: skip
        for doing, (chat, prompt, answer) in cast.chats.items():
            facts |= {f"{doing}_chat": chat, f"{doing}_prompt": prompt, f"{doing}_answer": answer}
        mine = told["doomed"][asker if asker in told["doomed"] else "nobody"]
        return facts | {f"doomed_{what}": pk for what, pk in mine.items()}


def vars_of(person: object) -> dict[str, str]:
    """A person's credentials by name."""
    return {name: getattr(person, name) for name in ("username", "token", "session")}
