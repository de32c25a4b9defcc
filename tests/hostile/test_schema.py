"""The API behaves as its OpenAPI schema says, for any user and any input."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.hostile.attacked import TRACEBACK, AttackedServer
from tests.hostile.from_schema import NEGATIVE, POSITIVE, Known, SchemaClient, Tally
from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario

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
# As in `tests/people.py`: no model needs to answer here.
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
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Scenario]]:
    """A separate installation: the requests change and delete much in it."""
    with installed(tmp_path_factory.mktemp("schema")) as installation:
        installation.serve()
        yield installation, create_scenario(installation, "schema")


@pytest.fixture(scope="module")
def client(club: tuple[Installation, Scenario]) -> SchemaClient:
    installation, scenario = club
    made = json.loads(installation.manage("shell", "-v0", "-c", _MORE).partition("MORE")[2])
    ids = {
        "cameras": [scenario.push, *made["cameras"]],
        "stream-keys": [scenario.key_id, *made["keys"]],
        "share-links": made["links"],
        "tokens": made["tokens"],
        "organizations": [scenario.ours, scenario.theirs],
    }
    return SchemaClient(
        installation,
        Known(
            ids=ids,
            chats=made["chats"],
            organizations=[scenario.ours, scenario.ours, scenario.theirs],
            cameras=[scenario.plaza, scenario.push],
            names=[scenario.plaza, scenario.push, scenario.key, scenario.push_key],
            spare=made["spare"],
        ),
    )


# Endless: only a second of it is validated.
ENDLESS = {"GET /api/v1/cameras/{id}/stream.mjpeg"}
# 503 for cameras that are switched off, and for push cameras without a publisher.
NO_PICTURE = {f"{method} /api/v1/cameras/{{id}}/snapshot.jpg" for method in ("GET", "HEAD")}
FACTORS = [
    pytest.param(1, id="some", marks=pytest.mark.extended),
    pytest.param(10, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    "who", ["viewer", "outsider", pytest.param("admin", marks=pytest.mark.postgres)]
)
def test_responses_match_the_schema(
    club: tuple[Installation, Scenario], client: SchemaClient, who: str, factor: int
) -> None:
    installation, scenario = club
    tally = Tally()
    edges, generated = (2, 30) if who == "admin" else (1, 10)  # of each operation; of each mode
    if factor > 1:
        edges, generated = (60, 600) if who == "admin" else (20, 300)
    client.cover(scenario[who], tally, limit=edges)
    for mode in (POSITIVE, NEGATIVE):
        client.fuzz(scenario[who], tally, count=generated, mode=mode)
    print(f"{who}: {tally}")
    assert not tally.faults, "\n\n".join(tally.faults.values())
    assert tally.cut <= ENDLESS
    assert {operation for operation, status in tally.answers if status == 503} <= NO_PICTURE
    missing = [one.label for one in client.operations if not tally.statuses(one.label)]
    assert not missing, "operations without a request"
    assert TRACEBACK not in installation.logged()


@pytest.mark.postgres
def test_integer_as_id_opens_no_other_organization(target: AttackedServer) -> None:
    """Django accepts an integer as a UUID, so permission checks must handle it, too."""
    installation, scenario = target.installation, target.scenario
    camera, organization = uuid.UUID(scenario.plaza).int, uuid.UUID(scenario.ours).int
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with httpx.Client(
        base_url=f"{installation.url}/api/v1", headers=scenario["outsider"].bearer
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


def test_export_is_markdown_whatever_the_accept_header(target: AttackedServer) -> None:
    installation, scenario = target.installation, target.scenario
    chat = scenario.chats["read"][0]
    for accept in ("text/markdown", "text/html", "nonsense"):
        headers = scenario["viewer"].bearer | {"Accept": accept}
        answer = httpx.get(
            f"{installation.url}/api/v1/actions/chats/{chat}/export", headers=headers
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/markdown")
