"""Signing in and out, passwords, and the answer to too many wrong ones."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from cameras.models import SignInLink, User
from cameras.models.credentials import digest


class SignIn(AuthenticationForm):
    error_messages = {  # noqa: RUF012 - Django's attribute
        "invalid_login": "The username or the password is not right. Both are case-sensitive.",
        "inactive": "This account is switched off. Ask an administrator.",
    }


class ChangePassword(PasswordChangeForm):
    error_messages = {  # noqa: RUF012
        "password_mismatch": "The two new passwords differ.",
        "password_incorrect": "That is not the present password.",
    }


class FirstPassword(SetPasswordForm):  # type: ignore[type-arg] # no generic at run time
    error_messages = {  # noqa: RUF012
        "password_mismatch": "The two passwords differ.",
    }


class SignInPage(LoginView):
    template_name = "people/signin.html"
    authentication_form = SignIn
    redirect_authenticated_user = True


sign_in = SignInPage.as_view()
sign_out = LogoutView.as_view(http_method_names=["post", "options"])


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time link. Opening it changes nothing, so that a preview cannot use it up."""
    if request.method == "POST":
        user = SignInLink.claim(token)
        if user is not None:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("wall")
    else:
        link = (
            SignInLink.objects.select_related("user")
            .filter(
                digest=digest(token),
                used_at=None,
                expires_at__gt=timezone.now(),
                user__is_active=True,
            )
            .first()
        )
        if link is not None:
            return render(request, "people/signin_link.html", {"person": link.user})
    return render(request, "people/signin_link_over.html", status=410)


@never_cache
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Set a first password, or change the one there is; this session stays, others end."""
    user = request.user
    assert isinstance(user, User)
    known = user.has_usable_password()
    kind: type[ChangePassword] | type[FirstPassword] = ChangePassword if known else FirstPassword
    form = kind(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        messages.success(request, "Your password is set.")
        return redirect("wall")
    return render(request, "people/password.html", {"form": form, "known": known})


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """Axes' answer after too many wrong passwords: a page, or a problem under /api/."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    minutes = max(1, round(seconds / 60))
    sentence = (
        f"There were too many sign-in attempts with this name. Try again in {minutes} minutes."
    )
    answer: HttpResponse
    if request.path_info.startswith("/api/"):
        problem = {
            "type": "about:blank",
            "title": "Too many sign-in attempts",
            "status": 429,
            "detail": sentence,
        }
        answer = JsonResponse(problem, status=429, content_type="application/problem+json")
    else:
        answer = render(request, "people/locked_out.html", {"sentence": sentence}, status=429)
    answer["Retry-After"] = str(seconds)
    return answer
