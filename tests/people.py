"""A cast for access tests: real rows in a running installation, one person per role."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.installation import Installation

_SCRIPT = """
import json
from django.utils import timezone
from cameras.models import *
from chats.models import *
from project.accounts.models import *
from tests.cookies import cookie_of
ours = Organization.objects.get(slug="demo-club")
theirs, _ = Organization.objects.get_or_create(slug="{name}-theirs", defaults=dict(name="Theirs"))
plaza = Camera.objects.get(organization=ours, name="Plaza")
push, _ = Camera.objects.get_or_create(organization=ours, name="{name} push", kind="push")
cast = dict(plaza=str(plaza.pk), push=str(push.pk), people=dict())
cast |= dict(ours=str(ours.pk), theirs=str(theirs.pk))
for name, organization, role, scopes in (
    ("outsider", theirs, "admin", ["read", "publish", "chat", "admin"]),
    ("viewer", ours, "viewer", ["read", "publish", "chat", "admin"]),
    ("operator", ours, "operator", ["read", "publish", "chat", "admin"]),
    ("admin", ours, "admin", ["read", "publish", "chat", "admin"]),
    ("chatter", ours, "admin", ["chat"]),
    ("reader", ours, "admin", ["read"]),
    ("publisher", ours, "operator", ["publish"]),
):
    user = User.objects.create_user("{name}-" + name)
    Membership.objects.create(user=user, organization=organization, role=role)
    token, text = Token.objects.create(user=user, organization=organization, scopes=scopes)
    cast["people"][name] = dict(token=text, session=cookie_of(user), username=user.username)
key = StreamKey(camera=plaza, name="test")
cast["key"], cast["key_id"] = key.issue(), str(key.pk)
pushkey = StreamKey(camera=push, name="test")
cast["push_key"] = pushkey.issue()
# Answers need no model here: this one is refused at once.
Assistant.objects.update_or_create(
    organization=ours, defaults=dict(base_url="http://127.0.0.1:9/v1", model="none")
)
viewer = User.objects.get(username="{name}-viewer")
cast["chats"] = dict()
for doing in ("read", "send", "edit", "again", "continue", "other"):
    chat = Chat.objects.create(organization=ours, owner=viewer, title="{name} " + doing)
    question = Message.objects.create(chat=chat, role="user", content="secret question")
    answer = Message.objects.create(
        chat=chat, parent=question, role="assistant", status="stopped", content="secret answer"
    )
    Generation.objects.create(message=answer, chat=chat, user=viewer, organization=ours,
        status="stopped", process="", day=timezone.now().date(), finished_at=timezone.now())
    Chat.objects.filter(pk=chat.pk).update(leaf=answer)
    cast["chats"][doing] = [str(chat.pk), str(question.pk), str(answer.pk)]
print("CAST" + json.dumps(cast))
"""


@dataclass(frozen=True, slots=True)
class Person:
    """One person's credentials: a bearer token and a session cookie."""

    username: str
    token: str
    session: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Cast:
    """Cameras and people of the demo organization, and an outsider who runs another one.

    `chatter`, `reader` and `publisher` hold a token with that one scope. `chats` are the viewer's:
    by what is done in them, the ids of chat, prompt and answer.
    """

    plaza: str
    push: str
    ours: str
    theirs: str
    key: str
    key_id: str
    push_key: str
    chats: dict[str, list[str]]
    people: dict[str, Person]

    def __getitem__(self, name: str) -> Person:
        return self.people[name]


def assemble(installation: Installation, name: str) -> Cast:
    """Make the rows; `name` keeps casts of different tests apart."""
    printed = installation.manage("shell", "-v0", "-c", _SCRIPT.replace("{name}", name))
    facts = json.loads(printed.partition("CAST")[2])
    people = {who: Person(**person) for who, person in facts.pop("people").items()}
    return Cast(people=people, **facts)
