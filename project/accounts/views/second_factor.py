"""The user's own second factor: turn it on and off, renew recovery codes."""

from __future__ import annotations

import pyotp
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

from project.accounts.access import signed_in_user
from project.accounts.forms import password_field
from project.accounts.models import RecoveryCode, SecondFactor, User
from project.accounts.models.one_time_links import end_sign_ins
from project.accounts.models.second_factor import (
    Paused,
    looks_like_code,
    matching_step,
    normalize_code,
    otpauth_uri,
)
from project.accounts.throttling.attempts import is_refused, record_failure
from project.accounts.throttling.devices import device_number, set_device_cookie
from project.accounts.views.lockout import locked_out, retry_later
from project.accounts.views.passwords import NOT_PRESENT
from project.accounts.views.sign_in import WRONG_CODE
from project.audit.log import Action, log_account_action
from project.encryption import UnsealFailed, seal, unseal

ENROLLING = "enrolling"  # session key of the encrypted secret that is not confirmed yet
WRONG_FIRST_CODE = (
    "That code does not fit this key. Check the clock of your phone, and take the next code."
)


class ConfirmForm(forms.Form):
    """A code of the new secret, and the password if the user has one."""

    code = forms.CharField(
        label="Code of the app",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    password = password_field("Your password", "current-password")


class ProofForm(forms.Form):
    """One field for a code or the password, to confirm the user's identity."""

    proof = password_field("A code, or your password", "current-password")


def _enrolling_secret(request: HttpRequest) -> str:
    """Return the secret that this session is setting up, or create one. Stored encrypted."""
    try:
        secret = unseal(request.session.get(ENROLLING, ""))
    except UnsealFailed:
        secret = ""
    if not secret:
        secret = pyotp.random_base32()
        request.session[ENROLLING] = seal(secret)
    return secret


def _page(request: HttpRequest, **extra: object) -> HttpResponse:
    user = signed_in_user(request)
    factor = SecondFactor.objects.filter(user=user).first()
    context: dict[str, object] = {"factor": factor}
    if factor is not None:
        context |= {"left": user.recovery_codes.count(), "proof_form": ProofForm()}
    else:
        secret = _enrolling_secret(request)
        picture = segno.make(otpauth_uri(secret, user), error="m")
        grouped_secret = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        qr = picture.svg_data_uri(scale=5, border=4, light="white")
        context |= {"qr": qr, "secret": grouped_secret, "confirm_form": _confirm_form(user)}
    return render(request, "accounts/second_factor.html", context | extra)


def _confirm_form(user: User, data: object = None) -> ConfirmForm:
    form = ConfirmForm(data)  # type: ignore[arg-type] # a QueryDict
    if not user.has_usable_password():
        del form.fields["password"]
    return form


@never_cache
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Show the state; POST turns it on and shows the recovery codes on this response only."""
    user = signed_in_user(request)
    if request.method != "POST" or SecondFactor.is_on(user):
        return _page(request)
    if is_refused(request, user.username):
        return locked_out(request)
    secret, form = _enrolling_secret(request), _confirm_form(user, request.POST)
    step = None
    if form.is_valid():
        step = matching_step(secret, normalize_code(form.cleaned_data["code"]))
        if step is None:
            form.add_error("code", WRONG_FIRST_CODE)
        password = form.cleaned_data.get("password")
        if password is not None and not user.check_password(password):
            record_failure(request, user.username)
            form.add_error("password", NOT_PRESENT)
    if step is None or not form.is_valid():
        return _page(request, confirm_form=form)
    device = device_number(request, user)
    with transaction.atomic():
        codes = SecondFactor.turn_on(user, secret, step)
        if codes is not None:
            end_sign_ins(user)
            log_account_action(request, Action.SECOND_FACTOR, user, "on")
    request.session.pop(ENROLLING, None)
    update_session_auth_hash(request, user)
    response = _page(request, codes=codes)
    set_device_cookie(request, response, user, device)
    return response


def _check_proof(request: HttpRequest, form: ProofForm) -> HttpResponse | None:
    """Return None if the code or password is right; else the response."""
    user = signed_in_user(request)
    if is_refused(request, user.username):
        return locked_out(request)
    if form.is_valid():
        proof = form.cleaned_data["proof"]
        try:
            if looks_like_code(proof) and SecondFactor.verify(user, proof):
                return None
        except Paused as pause:
            return retry_later(request, pause.seconds)
        if user.check_password(proof):
            return None
        record_failure(request, user.username)
        form.add_error("proof", WRONG_CODE if looks_like_code(proof) else NOT_PRESENT)
    return _page(request, proof_form=form)


@never_cache
@login_required
@require_POST
def turn_off(request: HttpRequest) -> HttpResponse:
    """Turn the second factor off."""
    refusal = _check_proof(request, ProofForm(request.POST))
    if refusal is not None:
        return refusal
    user = signed_in_user(request)
    with transaction.atomic():
        if SecondFactor.turn_off(user):
            log_account_action(request, Action.SECOND_FACTOR, user, "off")
    messages.success(request, "The second factor is off. Your password is enough to sign in.")
    return redirect("second-factor")


@never_cache
@login_required
@require_POST
def renew_codes(request: HttpRequest) -> HttpResponse:
    """Create ten new recovery codes and show them once; the old ones become invalid."""
    refusal = _check_proof(request, ProofForm(request.POST))
    if refusal is not None:
        return refusal
    user = signed_in_user(request)
    with transaction.atomic():
        if not SecondFactor.is_on(user):
            return redirect("second-factor")
        codes = RecoveryCode.renew(user)
        log_account_action(request, Action.SECOND_FACTOR, user, "new recovery codes")
    return _page(request, codes=codes)
