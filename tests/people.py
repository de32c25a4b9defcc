"""Rows for access tests in a running installation: cameras, chats, and one user per role."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from tests.installation import Installation

_SCRIPT = """
import json
from django.utils import timezone
from cameras.models import *
from chats.models import *
from project.accounts.models import *
from tests.cookies import create_session
ours = Organization.objects.get(slug="demo-club")
theirs, _ = Organization.objects.get_or_create(slug="{name}-theirs", defaults=dict(name="Theirs"))
plaza = Camera.objects.get(organization=ours, name="Plaza")
push, _ = Camera.objects.get_or_create(organization=ours, name="{name} push", kind="push")
scenario = dict(plaza=str(plaza.pk), push=str(push.pk), people=dict())
scenario |= dict(ours=str(ours.pk), theirs=str(theirs.pk))
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
    session = create_session(user)
    scenario["people"][name] = dict(token=text, session=session, username=user.username)
key = StreamKey(camera=plaza, name="test")
scenario["key"], scenario["key_id"] = key.issue(), str(key.pk)
pushkey = StreamKey(camera=push, name="test")
scenario["push_key"] = pushkey.issue()
# No test needs an answer: connections to this address are refused at once.
Assistant.objects.update_or_create(
    organization=ours, defaults=dict(base_url="http://127.0.0.1:9/v1", model="none")
)
viewer = User.objects.get(username="{name}-viewer")
scenario["chats"] = dict()
for purpose in ("read", "send", "edit", "again", "continue", "other"):
    chat = Chat.objects.create(organization=ours, owner=viewer, title="{name} " + purpose)
    question = Message.objects.create(chat=chat, role="user", content="secret question")
    answer = Message.objects.create(
        chat=chat, parent=question, role="assistant", status="stopped", content="secret answer"
    )
    Generation.objects.create(message=answer, chat=chat, user=viewer, organization=ours,
        status="stopped", process="", day=timezone.now().date(), finished_at=timezone.now())
    Chat.objects.filter(pk=chat.pk).update(leaf=answer)
    scenario["chats"][purpose] = [str(chat.pk), str(question.pk), str(answer.pk)]
print("SCENARIO" + json.dumps(scenario))
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A user's credentials: a bearer token and a session cookie."""

    username: str
    token: str
    session: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cameras and members of the demo organization, and the administrator of another one.

    `plaza` and `push` are camera ids, `ours` and `theirs` organization ids, `key` and `push_key`
    the stream keys of these cameras. `chatter`, `reader` and `publisher` have a token with one
    scope. `chats` are the viewer's: the ids of chat, prompt and answer, by the purpose of the chat.
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


def basic(password: str, user: str = "player") -> dict[str, str]:
    """Return the header of HTTP Basic."""
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def create_scenario(installation: Installation, prefix: str) -> Scenario:
    """Create the rows. `prefix` starts all usernames, so that modules do not share rows."""
    printed = installation.manage("shell", "-v0", "-c", _SCRIPT.replace("{name}", prefix))
    facts = json.loads(printed.partition("SCENARIO")[2])
    people = {name: Person(**person) for name, person in facts.pop("people").items()}
    return Scenario(people=people, **facts)
