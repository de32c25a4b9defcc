"""Forgotten passwords: a link sent by mail sets a new password. It does not sign in, and the second
factor stays."""

from __future__ import annotations

import uuid
from functools import partial
from itertools import islice

from django import forms
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from project.accounts import mail
from project.accounts.models import User
from project.accounts.models.one_time_links import end_sign_ins
from project.accounts.throttling.attempts import A_RESET, client_network
from project.accounts.throttling.windows import count_in_window
from project.accounts.views.links import link_ended, link_page
from project.accounts.views.lockout import retry_later
from project.accounts.views.passwords import FirstPassword
from project.addresses import public_url
from project.audit.log import Action, log_account_action
from project.audit.requesters import Requester

REQUESTS_MOST, REQUESTS_S = 10, 600  # per client address
MAILS_MOST, MAILS_S = 3, 3600  # per user
USERS_MOST = 5  # users with one e-mail address


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Request a link. The response and its timing do not reveal whether the address is known."""
    if request.method != "POST" or not settings.MAIL:
        context = {"form": ForgottenForm(), "mail": settings.MAIL}
        return render(request, "accounts/forgotten.html", context)
    if count_in_window(f"reset-asks-{client_network(request)}", REQUESTS_MOST, REQUESTS_S):
        return retry_later(request, REQUESTS_S)
    form = ForgottenForm(request.POST)
    if not form.is_valid():
        return render(request, "accounts/forgotten.html", {"form": form, "mail": True})
    requester = Requester.of(request)
    # SIDELINE_PUBLIC_URL, without which there is no mail; the mail thread has no script prefix.
    home = public_url(request, get_script_prefix().rstrip("/"))
    mail.submit(partial(_send_links, form.cleaned_data["email"], home, requester.address))
    return render(request, "accounts/forgotten_sent.html", {"address": form.cleaned_data["email"]})


def _send_links(email: str, home: str, address: str | None) -> None:
    """Send a link to each user with this address, at the user's own spelling of it.

    If there are more than `USERS_MOST`, to the oldest accounts: new ones cannot displace them.
    """
    users = User.objects.filter(email__iexact=email, is_active=True).order_by("date_joined", "pk")
    # `iexact` of a database may match more than a mail server does.
    matching = (user for user in users.iterator() if user.email.casefold() == email.casefold())
    for user in islice(matching, USERS_MOST):
        if count_in_window(f"reset-mails-{user.pk}", MAILS_MOST, MAILS_S):
            continue
        token = default_token_generator.make_token(user)
        path = reverse("reset", args=[user.pk.hex, token])
        requester = Requester(address=address)
        log_account_action(requester, Action.ASK_RESET, user)
        context = {"person": user, "link": f"{home}{path}", "home": home}
        text = render_to_string("accounts/reset_mail.txt", context)
        send_mail("A new password for Sideline", text, None, [user.email])


def _find_user(person: str, token: str) -> User | None:
    """Return the user of a reset link; None if the link is not valid."""
    try:
        user = User.objects.filter(pk=uuid.UUID(hex=person), is_active=True).first()
    except ValueError:
        return None
    is_valid = user is not None and default_token_generator.check_token(user, token)
    return user if is_valid else None


@link_page(A_RESET, _find_user)
def reset(request: HttpRequest, user: User, person: str, token: str) -> HttpResponse:
    """Set a new password with a mailed link, which is valid once and for an hour."""
    form = FirstPassword(user, request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return render(request, "accounts/reset.html", {"form": form, "person": user})
    user.set_password(form.cleaned_data["new_password1"])  # slow: outside the transaction
    with transaction.atomic():
        current = User.objects.select_for_update().filter(pk=user.pk, is_active=True).first()
        if current is None or not default_token_generator.check_token(current, token):
            return link_ended(request, A_RESET)
        user.save(update_fields=["password"])
        end_sign_ins(user)
        requester = Requester(address=Requester.of(request).address)
        log_account_action(requester, Action.PASSWORD, user, "by a reset link")
    request.session.flush()  # which may hold a sign-in that waits for its code
    return redirect(f"{reverse('signin')}?reset=done")
