"""An organization's own detector: the upload in parts, its check, and what cameras make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.ingest import configurations
from cameras.ingest.custom_models import check as checking
from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.models import Camera, Weights, WeightsPart, detectors
from project.accounts.models import Organization, User
from project.audit.models import AuditEntry
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.onnx_models import LABELS
from tests.cameras.views.rows import client_of, fields

pytestmark = pytest.mark.django_db

PAGE = ("detector", ("club",))


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small model comes in several."""
    for room in ("models.detectors", "views.detector"):
        monkeypatch.setattr(f"cameras.{room}.PART", 400)


def facts(data: bytes, **changes: Any) -> dict[str, Any]:
    made = {
        "name": "Ours", "source": "list", "labels": "\n".join(LABELS), "colours": "rgb",
        "scale": "unit", "size": len(data),
    }  # fmt: skip
    return made | changes


def begun(client: Client, data: bytes, **changes: Any) -> str:
    answer = client.post(reverse(*PAGE[:1], args=PAGE[1]), facts(data, **changes))
    assert answer.status_code == 201, answer.content
    assert answer.json()["part"] == 400
    return str(answer.json()["id"])


def send(client: Client, upload: str, number: int, data: bytes) -> Any:
    return client.post(
        reverse("detector-part", args=["club", upload, number]), data, "application/octet-stream"
    )


def uploaded(client: Client, data: bytes, **changes: Any) -> Any:
    """All of it, up to the answer of the check."""
    upload = begun(client, data, **changes)
    for number, at in enumerate(range(0, len(data), 400)):
        assert send(client, upload, number, data[at : at + 400]).json() == {"due": number + 1}
    return client.post(reverse("detector-check", args=["club", upload]))


def in_use(club: Organization) -> bytes:
    """A model of the club that needs no check any more."""
    data = onnx_models.finder()
    made = Weights.begin(club, name="Ours", size=len(data))
    for number, at in enumerate(range(0, len(data), 400)):
        made.take(number, data[at : at + 400])
    assert made.claim_check()
    assert made.accept(data, "", labels=LABELS, width=onnx_models.WIDTH, height=onnx_models.HEIGHT)
    return data


@pytest.mark.postgres
def test_a_model_that_passes_its_check_is_used_and_noted(club: Organization, admin: User) -> None:
    client, data = client_of(admin), onnx_models.finder()
    answer = uploaded(client, data)
    assert answer.json()["state"] == "ready", answer.json()
    used = club.weights.in_use().get()
    assert (used.labels, used.width, used.height) == (LABELS, 96, 64)
    assert used.data() == data
    assert used.uploaded_by == admin
    assert AuditEntry.objects.get(action="change model").subject == "Ours"
    page = client.get(reverse("detector", args=["club"])).content.decode()
    assert "red thing" in page
    assert " ms of" in page


def test_labels_come_from_the_file_where_it_names_them(club: Organization, admin: User) -> None:
    named = onnx_models.finder(names="{0: '<b>ball</b>', 1: 'goal'}")
    assert uploaded(client_of(admin), named, source="file").json()["state"] == "ready"
    assert club.weights.in_use().get().labels == ["<b>ball</b>", "goal"]
    page = client_of(admin).get(reverse("detector", args=["club"])).content.decode()
    assert "<b>ball" not in page
    assert "&lt;b&gt;ball" in page


def test_a_refused_model_changes_nothing_and_says_why(club: Organization, admin: User) -> None:
    client = client_of(admin)
    in_use(club)
    answer = uploaded(client, onnx_models.constantly(float("nan")), name="Worse")
    assert answer.json()["state"] == "refused"
    assert "NaN" in answer.json()["reason"]
    assert club.weights.in_use().get().name == "Ours"
    assert not WeightsPart.objects.exclude(weights__state="ready").exists()
    page = client.get(reverse("detector", args=["club"])).content.decode()
    assert "<strong>Worse</strong> was refused" in page


@pytest.mark.postgres
def test_a_second_model_takes_the_place_of_the_first(club: Organization, admin: User) -> None:
    in_use(club)
    uploaded(client_of(admin), onnx_models.finder(turned=True), name="Newer")
    assert [one.name for one in Weights.objects.all()] == ["Newer"]


@pytest.mark.postgres
def test_parts_come_in_order_of_the_right_length_and_may_come_twice(
    club: Organization, admin: User
) -> None:
    client, data = client_of(admin), onnx_models.finder()
    upload = begun(client, data)
    early = send(client, upload, 1, data[400:800])
    assert (early.status_code, early.json()["due"]) == (409, 0)
    assert send(client, upload, 0, data[:399]).status_code == 409
    assert send(client, upload, 0, data[:401]).status_code == 413
    for _ in range(2):
        assert send(client, upload, 0, data[:400]).json() == {"due": 1}
    assert send(client, upload, 0, b"x" * 400).status_code == 409
    assert WeightsPart.objects.count() == 1
    incomplete = client.post(reverse("detector-check", args=["club", upload]))
    assert incomplete.status_code == 409
    assert Weights.objects.get().state == "arriving"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 64 * 1024 * 1024 + 1}, "larger than 64 MiB"),
        ({"size": 0}, "empty"),
        ({"name": "two\nlines"}, "one line"),
        ({"labels": "a\na"}, "twice"),
        ({"labels": ""}, "no labels"),
        ({"labels": "x" * 61}, "60 characters"),
        ({"colours": "cmyk"}, "cmyk"),
    ],
)
def test_a_wrong_fact_is_refused_in_words(
    club: Organization, admin: User, changes: dict[str, Any], words: str
) -> None:
    answer = client_of(admin).post(reverse("detector", args=["club"]), facts(b"x", **changes))
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert not Weights.objects.exists()


@pytest.mark.postgres
def test_an_upload_takes_the_place_of_one_that_was_not_finished(
    club: Organization, admin: User, outsider: User
) -> None:
    client, data = client_of(admin), onnx_models.finder()
    first = begun(client, data)
    send(client, first, 0, data[:400])
    others = Organization.objects.get(slug="other")
    old = Weights.begin(others, name="Left", size=5)
    Weights.objects.filter(pk=old.pk).update(uploaded_at=timezone.now() - timedelta(days=2))
    begun(client, data)
    assert Weights.objects.count() == 1
    assert not WeightsPart.objects.exists()
    assert send(client, first, 1, data[400:800]).status_code == 404


def test_only_administrators_touch_it(
    club: Organization, admin: User, operator: User, outsider: User
) -> None:
    upload, data = begun(client_of(admin), onnx_models.finder()), onnx_models.finder()
    doors = [
        lambda who: who.get(reverse("detector", args=["club"])),
        lambda who: who.post(reverse("detector", args=["club"]), facts(data)),
        lambda who: send(who, upload, 0, data[:400]),
        lambda who: who.post(reverse("detector-check", args=["club", upload])),
        lambda who: who.post(reverse("detector-remove", args=["club"])),
    ]
    for door in doors:
        assert door(client_of(operator)).status_code == 403
        assert door(client_of(outsider)).status_code == 404
        assert door(Client()).status_code == 302
    theirs = reverse("detector-part", args=["other", upload, 0])
    body = (data[:400], "application/octet-stream")
    assert client_of(outsider).post(theirs, *body).status_code == 404
    assert not WeightsPart.objects.exists()


def test_a_part_without_the_csrf_token_is_refused(club: Organization, admin: User) -> None:
    upload = begun(client_of(admin), onnx_models.finder())
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert send(strict, upload, 0, onnx_models.finder()[:400]).status_code == 403


def test_a_check_that_finds_another_one_running_may_be_asked_for_again(
    club: Organization, admin: User
) -> None:
    client, data = client_of(admin), onnx_models.finder()
    with checking._one_at_a_time:
        answer = uploaded(client, data)
    assert answer.status_code == 503
    upload = Weights.objects.get(state="arriving")
    again = client.post(reverse("detector-check", args=["club", upload.pk]))
    assert again.json()["state"] == "ready"


@pytest.mark.postgres
def test_a_check_that_was_lost_with_its_process_may_be_asked_for_again(
    club: Organization, admin: User
) -> None:
    client, data = client_of(admin), onnx_models.finder()
    with checking._one_at_a_time:
        uploaded(client, data)
    upload = Weights.objects.get()
    Weights.objects.update(state="checking", uploaded_at=timezone.now())
    door = reverse("detector-check", args=["club", upload.pk])
    assert client.post(door).status_code == 409
    assert "is being checked" in client.get(reverse("detector", args=["club"])).content.decode()
    Weights.objects.update(uploaded_at=timezone.now() - detectors.LOST)
    assert "is being checked" not in client.get(reverse("detector", args=["club"])).content.decode()
    assert client.post(door).json()["state"] == "ready"


def test_cameras_are_told_of_the_model_until_it_is_removed(
    club: Organization, camera: Camera, admin: User, outsider: User, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    other = Organization.objects.get(slug="other")
    foreign = Camera.objects.create(organization=other, name="Theirs", kind="push")
    client, data = client_of(admin), in_use(club)
    told = configurations.configurations()
    assert told[str(foreign.pk)]["model"] is None
    mine = told[str(camera.pk)]["model"]
    assert mine["labels"] == LABELS
    with open(mine["path"], "rb") as kept:
        assert kept.read() == data
    client.post(reverse("detector-remove", args=["club"]))
    assert configurations.configurations()[str(camera.pk)]["model"] is None
    assert list((tmp_path / "detectors").iterdir()) == []
    assert AuditEntry.objects.filter(action="change model", detail="removed").exists()


def test_a_model_that_failed_too_often_is_refused_with_its_reason(
    club: Organization, camera: Camera, admin: User, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    client = client_of(admin)
    in_use(club)
    model = configurations.configurations()[str(camera.pk)]["model"]["id"]
    configurations.refuse_model(model, "It crashed (SIGSEGV).")
    assert configurations.configurations()[str(camera.pk)]["model"] is None
    page = client.get(reverse("detector", args=["club"])).content.decode()
    assert "taken out of use" in page
    assert "SIGSEGV" in page


def test_a_camera_looks_for_the_labels_of_its_organizations_model(
    club: Organization, camera: Camera, admin: User, outsider: User
) -> None:
    client = client_of(admin)
    page = reverse("camera-edit", args=[camera.pk])
    wanted = fields(kind="push", name="Gate", classes=["red thing"])
    assert "red thing is not one" in client.post(page, wanted).content.decode()
    in_use(club)
    shown = client.get(page).content.decode()
    assert shown.count('name="classes"') == len(LABELS)
    assert client.post(page, wanted).status_code == 302
    camera.refresh_from_db()
    assert camera.classes == ["red thing"]
    client.post(reverse("detector-remove", args=["club"]))
    assert "red thing" not in client.get(page).content.decode()
    camera.full_clean()  # a label that is gone keeps nobody from renaming the camera
    theirs = Camera(
        organization=Organization.objects.get(slug="other"), name="x", kind="push",
        classes=["red thing"],
    )  # fmt: skip
    with pytest.raises(Exception, match="does not know red thing"):
        theirs.full_clean()


def test_a_camera_that_was_never_asked_looks_for_all_labels(
    club: Organization, camera: Camera, admin: User
) -> None:
    assert camera.classes == list(DEFAULT_CLASSES)
    in_use(club)
    shown = client_of(admin).get(reverse("camera-edit", args=[camera.pk])).content.decode()
    assert shown.count('name="classes" value') == shown.count("checked") - 2  # on, detect
