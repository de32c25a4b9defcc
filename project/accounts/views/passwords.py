"""The user's own password, and the e-mail address for password resets."""

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

from project.accounts.access import signed_in_user
from project.accounts.forms import PASSWORD_MOST, password_field
from project.accounts.models import User
from project.accounts.models.one_time_links import end_sign_ins
from project.accounts.throttling.attempts import clear_failures, is_refused, record_failure
from project.accounts.throttling.devices import device_number, set_device_cookie
from project.accounts.views.lockout import locked_out
from project.audit.log import Action, log_account_action

NOT_PRESENT = "That is not the present password."


class _LengthLimit:
    """Limit the length of all fields; Django's forms do not."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(PASSWORD_MOST))


class ChangePassword(_LengthLimit, PasswordChangeForm):
    error_messages = {  # noqa: RUF012 - Django's attribute
        "password_mismatch": "The two new passwords differ.",
        "password_incorrect": NOT_PRESENT,
    }


class FirstPassword(_LengthLimit, SetPasswordForm):  # type: ignore[type-arg] # no generic at run time
    error_messages = {  # noqa: RUF012
        "password_mismatch": "The two passwords differ.",
    }


class AddressForm(forms.Form):
    """The address that password reset links are sent to."""

    email = forms.EmailField(label="E-mail", required=False, max_length=254)
    password = password_field("Present password", "current-password")


def _page(request: HttpRequest, **forms_: forms.Form) -> HttpResponse:
    user = signed_in_user(request)
    has_password = user.has_usable_password()
    form = ChangePassword(user) if has_password else FirstPassword(user)
    context: dict[str, object] = {"form": form, "known": has_password}
    if settings.MAIL and has_password:
        context["address_form"] = AddressForm(initial={"email": user.email})
    return render(request, "accounts/password.html", context | forms_)


@never_cache
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Set a first password or change it. Ends all other sessions."""
    user = signed_in_user(request)
    if request.method != "POST":
        return _page(request)
    if is_refused(request, user.username):
        return locked_out(request)
    form_class = ChangePassword if user.has_usable_password() else FirstPassword
    form = form_class(user, request.POST)
    if not form.is_valid():
        if form.has_error("old_password", "password_incorrect"):
            record_failure(request, user.username)
        return _page(request, form=form)
    clear_failures(request, user.username)
    device = device_number(request, user)
    form.save(commit=False)  # hashing is slow: outside the transaction
    with transaction.atomic():
        user.save(update_fields=["password"])
        end_sign_ins(user)
        log_account_action(request, Action.PASSWORD, user)
    update_session_auth_hash(request, user)
    messages.success(request, "Your password is set. Other browsers are signed out.")
    response = redirect("wall")
    set_device_cookie(request, response, user, device)
    return response


@login_required
@require_POST
def email(request: HttpRequest) -> HttpResponse:
    """Change the address for reset links. Needs the password: the links give access."""
    user = signed_in_user(request)
    if is_refused(request, user.username):
        return locked_out(request)
    form = AddressForm(request.POST)
    if form.is_valid() and not user.check_password(form.cleaned_data["password"]):
        record_failure(request, user.username)
        form.add_error("password", NOT_PRESENT)
    if not form.is_valid():
        return _page(request, address_form=form)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(email=form.cleaned_data["email"])
        log_account_action(request, Action.CHANGE_PERSON, user, "e-mail address")
    messages.success(request, "Your e-mail address is saved.")
    return redirect("password")
