"""Turning one's second factor on and off, and the recovery codes."""

from __future__ import annotations

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from project.accounts.access import person_of
from project.accounts.models import RecoveryCode, SecondFactor, User
from project.accounts.models.one_time_links import end_sign_ins
from project.accounts.models.second_factor import (
    Paused,
    address_of,
    looks_like_code,
    new_secret,
    plain,
    step_of,
)
from project.accounts.throttling.attempts import failed, is_refused
from project.accounts.throttling.devices import number_for, remember
from project.accounts.views.lockout import locked_out, wait
from project.accounts.views.passwords import NOT_PRESENT
from project.accounts.views.sign_in import WRONG_CODE
from project.audit.log import Action, home_of, note
from project.encryption import SealBroken, seal, unseal

ENROLLING = "enrolling"  # the session's key for the sealed secret that is not confirmed yet
NOT_THIS = "That code does not fit this key. Check the clock of your phone, and take the next code."


class ConfirmForm(forms.Form):
    """A code of the new key, and the password where there is one."""

    code = forms.CharField(
        label="Code of the app",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    password = forms.CharField(
        label="Your password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class ProofForm(forms.Form):
    """That it is still the same person: one field for a code or the password."""

    proof = forms.CharField(
        label="A code, or your password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


def _secret(request: HttpRequest) -> str:
    """The one that is being set up in this session, sealed there as it is in the database."""
    try:
        secret = unseal(request.session.get(ENROLLING, ""))
    except SealBroken:
        secret = ""
    if not secret:
        secret = new_secret()
        request.session[ENROLLING] = seal(secret)
    return secret


def _page(request: HttpRequest, **extra: object) -> HttpResponse:
    user = person_of(request)
    factor = SecondFactor.objects.filter(user=user).first()
    context: dict[str, object] = {"factor": factor}
    if factor is not None:
        context |= {"left": user.recovery_codes.count(), "proof_form": ProofForm()}
    else:
        secret = _secret(request)
        picture = segno.make(address_of(secret, user), error="m")
        groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        qr = picture.svg_data_uri(scale=5, border=4, light="white")
        context |= {"qr": qr, "secret": groups, "confirm_form": _confirm_form(user)}
    return render(request, "accounts/second_factor.html", context | extra)


def _confirm_form(user: User, data: object = None) -> ConfirmForm:
    form = ConfirmForm(data)  # type: ignore[arg-type] # what a request holds
    if not user.has_usable_password():
        del form.fields["password"]
    return form


@never_cache
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Whether it is on; set it up, and show the recovery codes on this one answer."""
    user = person_of(request)
    if request.method != "POST" or SecondFactor.is_on(user):
        return _page(request)
    if is_refused(request, user.username):
        return locked_out(request)
    secret, form = _secret(request), _confirm_form(user, request.POST)
    step = None
    if form.is_valid():
        step = step_of(secret, plain(form.cleaned_data["code"]))
        if step is None:
            form.add_error("code", NOT_THIS)
        known = form.cleaned_data.get("password")
        if known is not None and not user.check_password(known):
            failed(request, user.username)
            form.add_error("password", NOT_PRESENT)
    if step is None or not form.is_valid():
        return _page(request, confirm_form=form)
    device = number_for(request, user)
    with transaction.atomic():
        codes = SecondFactor.turn_on(user, secret, step)
        if codes is not None:
            end_sign_ins(user)
            note(request, Action.SECOND_FACTOR, user.username, home_of(user), detail="on")
    request.session.pop(ENROLLING, None)
    update_session_auth_hash(request, user)
    answer = _page(request, codes=codes)
    remember(request, answer, user, device)
    return answer


def _is_proven(request: HttpRequest, form: ProofForm) -> HttpResponse | None:
    """None where the person has shown that it is them; else what to answer."""
    user = person_of(request)
    if is_refused(request, user.username):
        return locked_out(request)
    if form.is_valid():
        given = form.cleaned_data["proof"]
        try:
            if looks_like_code(given) and SecondFactor.accepts(user, given):
                return None
        except Paused as pause:
            return wait(request, pause.seconds)
        if user.check_password(given):
            return None
        failed(request, user.username)
        form.add_error("proof", WRONG_CODE if looks_like_code(given) else NOT_PRESENT)
    return _page(request, proof_form=form)


@never_cache
@login_required
@require_POST
def turn_off(request: HttpRequest) -> HttpResponse:
    """From now on the password is enough."""
    refusal = _is_proven(request, ProofForm(request.POST))
    if refusal is not None:
        return refusal
    user = person_of(request)
    with transaction.atomic():
        if SecondFactor.turn_off(user):
            note(request, Action.SECOND_FACTOR, user.username, home_of(user), detail="off")
    messages.success(request, "The second factor is off. Your password is enough to sign in.")
    return redirect("second-factor")


@never_cache
@login_required
@require_POST
def renew_codes(request: HttpRequest) -> HttpResponse:
    """Ten new recovery codes; the old ones are void."""
    refusal = _is_proven(request, ProofForm(request.POST))
    if refusal is not None:
        return refusal
    user = person_of(request)
    with transaction.atomic():
        if not SecondFactor.is_on(user):
            return redirect("second-factor")
        codes = RecoveryCode.renew(user)
        said = "new recovery codes"
        note(request, Action.SECOND_FACTOR, user.username, home_of(user), detail=said)
    return _page(request, codes=codes)
