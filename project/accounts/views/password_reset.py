"""Forgotten passwords. A link by mail sets a new one; it signs nobody in, and the second factor
stays as it is."""

from __future__ import annotations

import logging
import time
import uuid
from functools import partial
from itertools import islice

from django import forms
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
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
from project.accounts.throttling.attempts import A_RESET, record_failure, is_locked, network_of
from project.accounts.views.fetch_metadata import refuse_cross_site_fetch
from project.accounts.views.lockout import locked_out, wait
from project.accounts.views.passwords import FirstPassword
from project.addresses import public_address
from project.audit.askers import Requester
from project.audit.log import Action, log_action, sole_organization

log = logging.getLogger(__name__)

ASKS_MOST, ASKS_S = 10, 600  # of one address
MAILS_MOST, MAILS_S = 3, 3600  # to one person
PEOPLE_MOST = 5  # with one address


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link. The answer is the same, and as quick, whether somebody has the address."""
    if request.method != "POST" or not settings.MAIL:
        context = {"form": ForgottenForm(), "mail": settings.MAIL}
        return render(request, "accounts/forgotten.html", context)
    if not _may(f"reset-asks-{network_of(request)}", ASKS_MOST, ASKS_S):
        return wait(request, ASKS_S)
    form = ForgottenForm(request.POST)
    if not form.is_valid():
        return render(request, "accounts/forgotten.html", {"form": form, "mail": True})
    requester = Requester.of(request)
    # SIDELINE_PUBLIC_URL, without which there is no mail; other threads do not know the prefix.
    home = public_address(request, get_script_prefix().rstrip("/"))
    mail.submit(partial(_send_to, form.cleaned_data["email"], home, requester.address))
    return render(request, "accounts/forgotten_sent.html", {"address": form.cleaned_data["email"]})


def _may(key: str, most: int, seconds: int) -> bool:
    """Count one more in this window of time; False where there were too many."""
    window = f"{key}-{int(time.time() // seconds)}"
    cache.add(window, 0, seconds)
    try:
        return int(cache.incr(window)) <= most
    except ValueError:  # it has just expired, or made room for others
        return True


def _send_to(email: str, home: str, address: str | None) -> None:
    """To each person who has this address; to their own spelling of it, which may differ.

    Of more than `PEOPLE_MOST`, to those who were here first: newcomers push nobody out.
    """
    found = User.objects.filter(email__iexact=email, is_active=True).order_by("date_joined", "pk")
    # A database's idea of equal may be wider than a mail server's.
    theirs = (user for user in found.iterator() if user.email.casefold() == email.casefold())
    for user in islice(theirs, PEOPLE_MOST):
        if not _may(f"reset-mails-{user.pk}", MAILS_MOST, MAILS_S):
            continue
        token = default_token_generator.make_token(user)
        path = reverse("reset", args=[user.pk.hex, token])
        requester = Requester(address=address)
        log_action(requester, Action.ASK_RESET, user.username, sole_organization(user))
        words = {"person": user, "link": f"{home}{path}", "home": home}
        text = render_to_string("accounts/reset_mail.txt", words)
        send_mail("A new password for Sideline", text, None, [user.email])


def _behind(person: str, token: str) -> User | None:
    try:
        user = User.objects.filter(pk=uuid.UUID(hex=person), is_active=True).first()
    except ValueError:
        return None
    fits = user is not None and default_token_generator.check_token(user, token)
    return user if fits else None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@refuse_cross_site_fetch
def reset(request: HttpRequest, person: str, token: str) -> HttpResponse:
    """Set a new password by the link of a mail; it works once, and for an hour."""
    if is_locked(request, A_RESET):
        return locked_out(request)
    user = _behind(person, token)
    if user is None:
        record_failure(request, A_RESET)
        return render(request, "accounts/link_ended.html", status=410)
    form = FirstPassword(user, request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return render(request, "accounts/reset.html", {"form": form, "person": user})
    user.set_password(form.cleaned_data["new_password1"])  # takes its time: no lock is held
    with transaction.atomic():
        now = User.objects.select_for_update().filter(pk=user.pk, is_active=True).first()
        if now is None or not default_token_generator.check_token(now, token):
            return render(request, "accounts/link_ended.html", status=410)
        user.save(update_fields=["password"])
        end_sign_ins(user)
        requester = Requester(address=Requester.of(request).address)
        log_action(
            requester,
            Action.PASSWORD,
            user.username,
            sole_organization(user),
            detail="by a reset link",
        )
    request.session.flush()  # a half-done sign-in of before
    return redirect(f"{reverse('signin')}?reset=done")
