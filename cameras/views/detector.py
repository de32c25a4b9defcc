"""Pages for an organization's own detector: upload in parts, check, remove.

Each part is an ordinary request, so that the server takes no larger body of anybody.
"""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.check import check
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.labels import COCO, read_labels
from cameras.models import Weights
from cameras.models.cameras import validate_line
from cameras.models.detectors import PART, UploadRefused
from project.accounts.access import actor_for_request
from project.accounts.models import Organization
from project.accounts.views.organizations import get_administered
from project.audit.log import Action, log_action
from project.problems import problem

FOR_ADMINS = "The detector is chosen by the organization's administrators."
NO_PROCESS = "The model could not be checked just now: the server has too much to do. Try again."


class UploadForm(forms.Form):
    """Describes a model file before its upload. The page's script fills in `size` (bytes)."""

    name = forms.CharField(
        max_length=100,
        validators=[validate_line],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    source = forms.ChoiceField(
        label="Labels",
        choices=(
            ("file", "as the file names them"),
            ("coco", "COCO’s 80: person, bicycle, car and so on"),
            ("list", "as written here"),
        ),
        initial="file",
    )
    labels = forms.CharField(
        label="One label in each line, in the order of the model’s output",
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
    )
    colours = forms.ChoiceField(
        label="Order of colours",
        choices=(("rgb", "red, green, blue (YOLO)"), ("bgr", "blue, green, red (NanoDet)")),
    )
    scale = forms.ChoiceField(
        label="Brightness", choices=(("unit", "0 to 1 (YOLO)"), ("bytes", "0 to 255 (NanoDet)"))
    )
    size = forms.IntegerField(
        min_value=1,
        max_value=protocol.MOST_BYTES,
        widget=forms.HiddenInput,
        error_messages={
            "min_value": "The file is empty.",
            "max_value": "The file is larger than 64 MiB.",
        },
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names: list[str] = []
        source = cleaned.pop("source", "")  # the others are fields of the `Weights` row
        if source == "coco":
            names = list(COCO)
        elif source == "list":
            lines = str(cleaned.get("labels", "")).splitlines()
            try:
                names = read_labels(line for line in lines if line.strip())
            except ValueError as error:
                self.add_error("labels", str(error))
        cleaned["labels"] = names
        return cleaned


def _upload(request: HttpRequest, slug: str, pk: uuid.UUID) -> Weights:
    found: Weights = get_object_or_404(get_administered(request, slug, FOR_ADMINS).weights, pk=pk)
    return found


@never_cache
@login_required
def detector(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the detector in use and the upload form. POST begins an upload, answered in JSON."""
    found = get_administered(request, slug, FOR_ADMINS)
    if request.method == "POST":
        return _begin(request, found)
    newest = {
        row.state: row
        for row in found.weights.select_related("uploaded_by").order_by("uploaded_at")
    }
    context = {
        "organization": found,
        "form": UploadForm(),
        "used": newest.get(Weights.State.READY),
        "checked": newest.get(Weights.State.CHECKING),
        "refused": newest.get(Weights.State.REFUSED),
        "most": protocol.MOST_BYTES,
    }
    return render(request, "cameras/detector.html", context)


def _begin(request: HttpRequest, organization: Organization) -> JsonResponse:
    form = UploadForm(request.POST)
    if not form.is_valid():
        errors = {name: " ".join(map(str, sentences)) for name, sentences in form.errors.items()}
        return problem(400, " ".join(errors.values()), errors=errors)
    by = actor_for_request(request).user
    weights = Weights.begin(organization, uploaded_by=by, **form.cleaned_data)
    return JsonResponse({"id": str(weights.pk), "part": PART}, status=201)


@login_required
@require_POST
def part(request: HttpRequest, slug: str, pk: uuid.UUID, number: int) -> HttpResponse:
    """Store a part of the file, sent as the body: 204, or 409 for one that does not fit."""
    weights = _upload(request, slug, pk)
    try:
        weights.add_part(number, request.body)
    except UploadRefused as error:
        return problem(409, str(error))
    return HttpResponse(status=204)


@login_required
@require_POST
def finish(request: HttpRequest, slug: str, pk: uuid.UUID) -> JsonResponse:
    """Check the uploaded model and use it, or refuse it. Returns `{state, reason}`.

    Takes up to half a minute in the thread of this request. 503 while another check runs.
    """
    weights = _upload(request, slug, pk)
    if not weights.claim_check():
        return problem(409, "This upload is not complete, or over. Choose the file again.")
    try:
        data = weights.data()
        passed = check(data, weights.labels or None, weights.colours, weights.scale)
    except ModelFailed as error:
        return _refuse(request, weights, error.sentence)
    except OSError:
        weights.release_check()
        return problem(503, NO_PROCESS)
    facts = {"labels": passed.labels, "width": passed.width, "height": passed.height}
    with transaction.atomic():
        if not weights.accept(data, passed.sentence(), **facts):
            return problem(409, "Another file was chosen meanwhile.")
        _log(request, weights, f"in use; {weights.size} bytes, {len(passed.labels)} labels")
    messages.success(request, f"{weights.name} passed its check. The cameras detect with it now.")
    return JsonResponse({"state": Weights.State.READY, "reason": passed.sentence()})


def _refuse(request: HttpRequest, weights: Weights, reason: str) -> JsonResponse:
    with transaction.atomic():
        if weights.refuse(reason):
            _log(request, weights, f"refused: {reason}")
    return JsonResponse({"state": Weights.State.REFUSED, "reason": reason})


@login_required
@require_POST
def remove(request: HttpRequest, slug: str) -> HttpResponse:
    """Remove the model: within seconds the cameras use the built-in detector again."""
    found = get_administered(request, slug, FOR_ADMINS)
    with transaction.atomic():
        used = Weights.remove(found)
        if used is not None:
            _log(request, used, "removed")
            messages.success(request, f"{used.name} is removed.")
    return redirect("detector", slug)


def _log(request: HttpRequest, weights: Weights, detail: str) -> None:
    log_action(request, Action.CHANGE_MODEL, weights.name, weights.organization, detail=detail)
