"""An organization's own detector: upload in parts, check, and use by the cameras."""

from __future__ import annotations

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
    """Split even a small model into several parts."""
    for module in ("models.detectors", "views.detector"):
        monkeypatch.setattr(f"cameras.{module}.PART", 400)


def upload_fields(data: bytes, **changes: Any) -> dict[str, Any]:
    defaults = {
        "name": "Ours", "source": "list", "labels": "\n".join(LABELS), "colours": "rgb",
        "scale": "unit", "size": len(data),
    }  # fmt: skip
    return defaults | changes


def begin_upload(client: Client, data: bytes, **changes: Any) -> str:
    answer = client.post(reverse(*PAGE[:1], args=PAGE[1]), upload_fields(data, **changes))
    assert answer.status_code == 201, answer.content
    assert answer.json()["part"] == 400
    return str(answer.json()["id"])


def send(client: Client, upload: str, number: int, data: bytes) -> Any:
    return client.post(
        reverse("detector-part", args=["club", upload, number]), data, "application/octet-stream"
    )


def upload_and_check(client: Client, data: bytes, **changes: Any) -> Any:
    """Upload the whole file. Returns the response of the check."""
    upload = begin_upload(client, data, **changes)
    for number, at in enumerate(range(0, len(data), 400)):
        assert send(client, upload, number, data[at : at + 400]).status_code == 204
    return client.post(reverse("detector-check", args=["club", upload]))


def install_model(club: Organization) -> bytes:
    """Give the club an accepted model. Returns the bytes of its file."""
    data = onnx_models.finder()
    made = Weights.begin(club, name="Ours", size=len(data))
    for number, at in enumerate(range(0, len(data), 400)):
        made.add_part(number, data[at : at + 400])
    assert made.claim_check()
    assert made.accept(data, "", labels=LABELS, width=onnx_models.WIDTH, height=onnx_models.HEIGHT)
    return data


@pytest.mark.postgres
def test_model_that_passes_its_check_is_used_and_logged(club: Organization, admin: User) -> None:
    client, data = client_of(admin), onnx_models.finder()
    answer = upload_and_check(client, data)
    assert answer.json()["state"] == "ready", answer.json()
    used = club.weights.in_use().get()
    assert (used.labels, used.width, used.height) == (LABELS, 96, 64)
    assert used.data() == data
    assert used.uploaded_by == admin
    assert AuditEntry.objects.get(action="change model").subject == "Ours"
    page = client.get(reverse("detector", args=["club"])).content.decode()
    assert "red thing" in page
    assert " ms of" in page


def test_labels_come_from_the_file_if_it_has_them(club: Organization, admin: User) -> None:
    named = onnx_models.finder(names="{0: '<b>ball</b>', 1: 'goal'}")
    assert upload_and_check(client_of(admin), named, source="file").json()["state"] == "ready"
    assert club.weights.in_use().get().labels == ["<b>ball</b>", "goal"]
    page = client_of(admin).get(reverse("detector", args=["club"])).content.decode()
    assert "<b>ball" not in page
    assert "&lt;b&gt;ball" in page


def test_refused_model_changes_nothing_and_shows_the_reason(
    club: Organization, admin: User
) -> None:
    client = client_of(admin)
    install_model(club)
    answer = upload_and_check(client, onnx_models.constant_output(float("nan")), name="Worse")
    assert answer.json()["state"] == "refused"
    assert "NaN" in answer.json()["reason"]
    assert club.weights.in_use().get().name == "Ours"
    assert not WeightsPart.objects.exclude(weights__state="ready").exists()
    page = client.get(reverse("detector", args=["club"])).content.decode()
    assert "<strong>Worse</strong> was refused" in page


@pytest.mark.postgres
def test_second_model_replaces_the_first(club: Organization, admin: User) -> None:
    install_model(club)
    upload_and_check(client_of(admin), onnx_models.finder(turned=True), name="Newer")
    assert [one.name for one in Weights.objects.all()] == ["Newer"]


@pytest.mark.postgres
def test_parts_must_be_complete_and_may_be_repeated(club: Organization, admin: User) -> None:
    client, data = client_of(admin), onnx_models.finder()
    upload = begin_upload(client, data)
    assert send(client, upload, 0, data[:399]).status_code == 409
    assert send(client, upload, 0, data[:401]).status_code == 409
    assert send(client, upload, -(-len(data) // 400), b"").status_code == 409
    for _ in range(2):
        assert send(client, upload, 0, data[:400]).status_code == 204
    other = send(client, upload, 0, b"x" * 400)
    assert (other.status_code, "another file" in other.json()["detail"]) == (409, True)
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
def test_invalid_upload_field_is_refused_with_a_sentence(
    club: Organization, admin: User, changes: dict[str, Any], words: str
) -> None:
    answer = client_of(admin).post(
        reverse("detector", args=["club"]), upload_fields(b"x", **changes)
    )
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert not Weights.objects.exists()


@pytest.mark.postgres
def test_new_upload_replaces_an_unfinished_one(club: Organization, admin: User) -> None:
    client, data = client_of(admin), onnx_models.finder()
    first = begin_upload(client, data)
    send(client, first, 0, data[:400])
    begin_upload(client, data)
    assert Weights.objects.count() == 1
    assert not WeightsPart.objects.exists()
    assert send(client, first, 1, data[400:800]).status_code == 404


def test_only_administrators_can_use_the_detector_page(
    club: Organization, admin: User, operator: User, outsider: User
) -> None:
    upload, data = begin_upload(client_of(admin), onnx_models.finder()), onnx_models.finder()
    requests = [
        lambda client: client.get(reverse("detector", args=["club"])),
        lambda client: client.post(reverse("detector", args=["club"]), upload_fields(data)),
        lambda client: send(client, upload, 0, data[:400]),
        lambda client: client.post(reverse("detector-check", args=["club", upload])),
        lambda client: client.post(reverse("detector-remove", args=["club"])),
    ]
    for request in requests:
        assert request(client_of(operator)).status_code == 403
        assert request(client_of(outsider)).status_code == 404
        assert request(Client()).status_code == 302
    theirs = reverse("detector-part", args=["other", upload, 0])
    body = (data[:400], "application/octet-stream")
    assert client_of(outsider).post(theirs, *body).status_code == 404
    assert not WeightsPart.objects.exists()


def test_part_without_the_csrf_token_is_refused(club: Organization, admin: User) -> None:
    upload = begin_upload(client_of(admin), onnx_models.finder())
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert send(strict, upload, 0, onnx_models.finder()[:400]).status_code == 403


def test_check_can_be_repeated_if_another_one_was_running(club: Organization, admin: User) -> None:
    client, data = client_of(admin), onnx_models.finder()
    with checking._one_at_a_time:
        answer = upload_and_check(client, data)
    assert answer.status_code == 503
    upload = Weights.objects.get(state="arriving")
    again = client.post(reverse("detector-check", args=["club", upload.pk]))
    assert again.json()["state"] == "ready"


@pytest.mark.postgres
def test_check_can_be_repeated_if_its_process_died(club: Organization, admin: User) -> None:
    client, data = client_of(admin), onnx_models.finder()
    with checking._one_at_a_time:
        upload_and_check(client, data)
    upload = Weights.objects.get()
    Weights.objects.update(state="checking", uploaded_at=timezone.now())
    address = reverse("detector-check", args=["club", upload.pk])
    assert client.post(address).status_code == 409
    assert "is being checked" in client.get(reverse("detector", args=["club"])).content.decode()
    Weights.objects.update(uploaded_at=timezone.now() - detectors.LOST)
    assert "is being checked" not in client.get(reverse("detector", args=["club"])).content.decode()
    assert client.post(address).json()["state"] == "ready"


def test_cameras_get_the_model_until_it_is_removed(
    club: Organization, camera: Camera, admin: User, outsider: User, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    other = Organization.objects.get(slug="other")
    foreign = Camera.objects.create(organization=other, name="Theirs", kind="push")
    client, data = client_of(admin), install_model(club)
    loaded = configurations.load_configurations()
    assert loaded[str(foreign.pk)]["model"] is None
    mine = loaded[str(camera.pk)]["model"]
    assert mine["labels"] == LABELS
    with open(mine["path"], "rb") as kept:
        assert kept.read() == data
    client.post(reverse("detector-remove", args=["club"]))
    assert configurations.load_configurations()[str(camera.pk)]["model"] is None
    assert list((tmp_path / "detectors").iterdir()) == []
    assert AuditEntry.objects.filter(action="change model", detail="removed").exists()


def test_model_that_failed_too_often_is_refused_with_the_reason(
    club: Organization, camera: Camera, admin: User, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    client = client_of(admin)
    install_model(club)
    model = configurations.load_configurations()[str(camera.pk)]["model"]["id"]
    configurations.disable_model(model, "It crashed (SIGSEGV).")
    assert configurations.load_configurations()[str(camera.pk)]["model"] is None
    page = client.get(reverse("detector", args=["club"])).content.decode()
    assert "taken out of use" in page
    assert "SIGSEGV" in page


def test_camera_can_detect_labels_of_its_organizations_model(
    club: Organization, camera: Camera, admin: User, outsider: User
) -> None:
    client = client_of(admin)
    page = reverse("camera-edit", args=[camera.pk])
    wanted = fields(kind="push", name="Gate", classes=["red thing"])
    assert "red thing is not one" in client.post(page, wanted).content.decode()
    install_model(club)
    shown = client.get(page).content.decode()
    assert shown.count('name="classes"') == len(LABELS)
    assert client.post(page, wanted).status_code == 302
    camera.refresh_from_db()
    assert camera.classes == ["red thing"]
    client.post(reverse("detector-remove", args=["club"]))
    assert "red thing" not in client.get(page).content.decode()
    camera.full_clean()  # a label that is gone does not make the camera invalid
    theirs = Camera(
        organization=Organization.objects.get(slug="other"), name="x", kind="push",
        classes=["red thing"],
    )  # fmt: skip
    with pytest.raises(Exception, match="does not know red thing"):
        theirs.full_clean()


def test_camera_with_default_classes_detects_all_labels(
    club: Organization, camera: Camera, admin: User
) -> None:
    assert camera.classes == list(DEFAULT_CLASSES)
    install_model(club)
    shown = client_of(admin).get(reverse("camera-edit", args=[camera.pk])).content.decode()
    assert shown.count('name="classes" value') == shown.count("checked") - 2  # on, detect
