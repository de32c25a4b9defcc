"""The API keeps the word of its own description, whoever asks and however badly."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.hostile.attacked import TRACEBACK, Siege
from tests.hostile.from_schema import NEGATIVE, POSITIVE, Described, Known, Tally
from tests.installation import Installation, installed
from tests.people import Cast, assemble

_MORE = """
import json
from django.utils import timezone
from cameras.models import *
from chats.models import *
from project.accounts.models import *
ours = Organization.objects.get(slug="demo-club")
theirs = Organization.objects.get(slug="schema-theirs")
admin = User.objects.get(username="schema-admin")
push = Camera.objects.get(organization=ours, kind="push")
made = dict(cameras=[], keys=[], links=[], tokens=[], chats={}, spare=[])
for number in range(400):
    made["spare"].append(Token.objects.create(user=admin, organization=ours, scopes=["read"])[1])
for number in range(6):
    name = f"spare {number}"
    camera = Camera.objects.create(organization=ours, name=name, kind="push", enabled=False)
    key = StreamKey(camera=push, name=name)
    key.issue()
    link = ShareLink.objects.create(camera=push, name=name, created_by=admin)
    token, _ = Token.objects.create(user=admin, organization=ours, scopes=["read"])
    made["cameras"].append(str(camera.pk))
    made["keys"].append(str(key.pk))
    made["links"].append(str(link.pk))
    made["tokens"].append(str(token.uid))
# As in `tests/people.py`: an answer needs no model here.
Assistant.objects.create(organization=theirs, base_url="http://127.0.0.1:9/v1", model="none")
for owner, organization in (("admin", ours), ("viewer", ours), ("outsider", theirs)):
    user = User.objects.get(username="schema-" + owner)
    for number in range(5):
        chat = Chat.objects.create(organization=organization, owner=user, title="spare")
        question = Message.objects.create(chat=chat, role="user", content="how many")
        answer = Message.objects.create(
            chat=chat, parent=question, role="assistant", status="stopped", content="none"
        )
        Generation.objects.create(message=answer, chat=chat, user=user, organization=organization,
            status="stopped", process="", day=timezone.now().date(), finished_at=timezone.now())
        Chat.objects.filter(pk=chat.pk).update(leaf=answer)
        ids = [str(one.pk) for one in (chat, question, answer)]
        made["chats"].setdefault(user.username, []).append(ids)
print("MORE" + json.dumps(made))
"""


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Cast]]:
    """An installation of its own: much in it is changed and removed."""
    with installed(tmp_path_factory.mktemp("schema")) as installation:
        installation.serve()
        yield installation, assemble(installation, "schema")


@pytest.fixture(scope="module")
def described(club: tuple[Installation, Cast]) -> Described:
    installation, cast = club
    made = json.loads(installation.manage("shell", "-v0", "-c", _MORE).partition("MORE")[2])
    ids = {
        "cameras": [cast.push, *made["cameras"]],
        "stream-keys": [cast.key_id, *made["keys"]],
        "share-links": made["links"],
        "tokens": made["tokens"],
        "organizations": [cast.ours, cast.theirs],
    }
    return Described(
        installation,
        Known(
            ids=ids,
            chats=made["chats"],
            organizations=[cast.ours, cast.ours, cast.theirs],
            cameras=[cast.plaza, cast.push],
            names=[cast.plaza, cast.push, cast.key, cast.push_key],
            spare=made["spare"],
        ),
    )


# Never read to the end, for it has none: a second of it is held against the description.
ENDLESS = {"GET /api/v1/cameras/{id}/stream.mjpeg"}
# A camera that is switched off or pushed to by nobody has none, and says so with 503.
NO_PICTURE = {f"{method} /api/v1/cameras/{{id}}/snapshot.jpg" for method in ("GET", "HEAD")}
TIMES = [
    pytest.param(1, id="some", marks=pytest.mark.extended),
    pytest.param(10, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize(
    "who", ["viewer", "outsider", pytest.param("admin", marks=pytest.mark.postgres)]
)
def test_answers_are_as_described(
    club: tuple[Installation, Cast], described: Described, who: str, times: int
) -> None:
    installation, cast = club
    tally = Tally()
    edges, made_up = (2, 30) if who == "admin" else (1, 10)  # of each operation; of each mode
    if times > 1:
        edges, made_up = (60, 600) if who == "admin" else (20, 300)
    described.cover(cast[who], tally, most=edges)
    for mode in (POSITIVE, NEGATIVE):
        described.fuzz(cast[who], tally, count=made_up, mode=mode)
    print(f"{who}: {tally}")
    assert not tally.faults, "\n\n".join(tally.faults.values())
    assert tally.cut <= ENDLESS
    assert {asked for asked, status in tally.answers if status == 503} <= NO_PICTURE
    unheard = [one.label for one in described.operations if not tally.statuses(one.label)]
    assert not unheard, "nothing is left out"
    assert TRACEBACK not in installation.logged()


@pytest.mark.postgres
def test_an_id_as_a_number_opens_no_other_organization(siege: Siege) -> None:
    """Django takes an integer for a UUID, and what asks who somebody is has to take it, too."""
    installation, cast = siege.installation, siege.cast
    camera, organization = uuid.UUID(cast.plaza).int, uuid.UUID(cast.ours).int
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with httpx.Client(
        base_url=f"{installation.url}/api/v1", headers=cast["outsider"].bearer
    ) as api:
        for path, body in (
            ("/stream-keys", {"camera": camera, "name": "mine", "expires_at": until}),
            ("/share-links", {"camera": camera, "name": "mine", "expires_at": until}),
            ("/tickets", {"camera": camera, "purpose": "watch"}),
            ("/tickets", {"camera": False, "purpose": "watch"}),
            ("/cameras", {"organization": organization, "name": "mine", "kind": "push"}),
            ("/tokens", {"organization": organization, "name": "mine", "scopes": ["read"]}),
            ("/actions/chats", {"organization": organization}),
        ):
            answer = api.post(path, json=body)
            assert answer.status_code == 400, (path, answer.text)


def test_export_is_markdown_whatever_is_accepted(siege: Siege) -> None:
    installation, cast = siege.installation, siege.cast
    chat = cast.chats["read"][0]
    for accept in ("text/markdown", "text/html", "nonsense"):
        headers = cast["viewer"].bearer | {"Accept": accept}
        answer = httpx.get(
            f"{installation.url}/api/v1/actions/chats/{chat}/export", headers=headers
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/markdown")
