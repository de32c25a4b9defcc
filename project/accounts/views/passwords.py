"""One's own password, and the e-mail address for when it is forgotten."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from project.accounts.access import person_of
from project.accounts.models import User
from project.accounts.models.one_time_links import end_sign_ins
from project.accounts.throttling.attempts import failed, forgive, is_refused
from project.accounts.throttling.devices import number_for, remember
from project.accounts.views.lockout import locked_out
from project.audit.log import Action, home_of, note

NOT_PRESENT = "That is not the present password."
PASSWORD_MOST = 1000  # characters, of every form that takes one: each is hashed


class _Bounded:
    """Django's forms take passwords of any length."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(PASSWORD_MOST))


class ChangePassword(_Bounded, PasswordChangeForm):
    error_messages = {  # noqa: RUF012 - Django's attribute
        "password_mismatch": "The two new passwords differ.",
        "password_incorrect": NOT_PRESENT,
    }


class FirstPassword(_Bounded, SetPasswordForm):  # type: ignore[type-arg] # no generic at run time
    error_messages = {  # noqa: RUF012
        "password_mismatch": "The two passwords differ.",
    }


class AddressForm(forms.Form):
    """Where a link is sent to who has forgotten the password."""

    email = forms.EmailField(label="E-mail", required=False, max_length=254)
    password = forms.CharField(
        label="Present password",
        max_length=PASSWORD_MOST,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


def _page(request: HttpRequest, **forms_: forms.Form) -> HttpResponse:
    user = person_of(request)
    known = user.has_usable_password()
    kind: type[ChangePassword] | type[FirstPassword] = ChangePassword if known else FirstPassword
    context: dict[str, object] = {"form": kind(user), "known": known}
    if settings.MAIL and known:
        context["address_form"] = AddressForm(initial={"email": user.email})
    return render(request, "accounts/password.html", context | forms_)


@never_cache
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Set a first password, or change the one there is; this session stays, others end."""
    user = person_of(request)
    if request.method != "POST":
        return _page(request)
    if is_refused(request, user.username):
        return locked_out(request)
    known = user.has_usable_password()
    form = ChangePassword(user, request.POST) if known else FirstPassword(user, request.POST)
    if not form.is_valid():
        if form.has_error("old_password", "password_incorrect"):
            failed(request, user.username)
        return _page(request, form=form)
    forgive(request, user.username)
    device = number_for(request, user)
    form.save(commit=False)  # the hash takes its time: no lock is held
    with transaction.atomic():
        user.save(update_fields=["password"])
        end_sign_ins(user)
        note(request, Action.PASSWORD, user.username, home_of(user))
    update_session_auth_hash(request, user)
    messages.success(request, "Your password is set. Other browsers are signed out.")
    answer = redirect("wall")
    remember(request, answer, user, device)
    return answer


@login_required
@require_POST
def email(request: HttpRequest) -> HttpResponse:
    """Another address for forgotten passwords. Whoever reads it could set one, so it asks."""
    user = person_of(request)
    if is_refused(request, user.username):
        return locked_out(request)
    form = AddressForm(request.POST)
    if form.is_valid() and not user.check_password(form.cleaned_data["password"]):
        failed(request, user.username)
        form.add_error("password", NOT_PRESENT)
    if not form.is_valid():
        return _page(request, address_form=form)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(email=form.cleaned_data["email"])
        note(request, Action.CHANGE_PERSON, user.username, home_of(user), detail="e-mail address")
    messages.success(request, "Your e-mail address is saved.")
    return redirect("password")
