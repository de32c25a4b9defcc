"""Sign-in by password or one-time link, then by a code if the second factor is on; sign-out.

Nobody is signed in before the last step. Until then the session holds the user of the first step
under `PASSED`, which only the view of the second step reads.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from project.accounts.forms import PASSWORD_MOST
from project.accounts.models import SecondFactor, SignInLink, User
from project.accounts.models.second_factor import Paused
from project.accounts.throttling.attempts import A_LINK, NAME_MOST, is_refused, record_failure
from project.accounts.throttling.devices import set_device_cookie
from project.accounts.views.links import link_ended, link_page
from project.accounts.views.lockout import locked_out, retry_later
from project.audit.log import Action, log_action
from project.audit.requesters import Requester

BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSED = "passed"  # session key of the user who has passed the first step
PASSED_S = 600
LOGGED_S = 3600
WRONG_CODE = "That code is not right, or it was used before. Wait for the next one."


class SignInForm(AuthenticationForm):
    error_messages = {  # noqa: RUF012 - Django's attribute
        "invalid_login": "The username or the password is not right. Both are case-sensitive.",
    }

    def clean(self) -> dict[str, Any]:
        """Count too long names and passwords as failures, without hashing them."""
        name = self.cleaned_data.get("username") or ""
        password = self.cleaned_data.get("password") or ""
        if len(name) > NAME_MOST or len(password) > PASSWORD_MOST:
            if self.request is not None and not is_refused(self.request, name):
                record_failure(self.request, name)
            raise self.get_invalid_login_error()
        cleaned: dict[str, Any] = super().clean()
        return cleaned


class SignInView(LoginView):
    template_name = "accounts/signin.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_success_url(self) -> str:
        """Return `next` if it is safe, but never this page, for which Django raises."""
        onward: str = super().get_success_url()
        return self.get_default_redirect_url() if onward == self.request.path else onward

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        assert isinstance(user, User)
        return _finish_first_step(self.request, user, self.get_success_url())


sign_in = SignInView.as_view()
sign_out = LogoutView.as_view(http_method_names=["post", "options"])


def _finish_first_step(request: HttpRequest, user: User, onward: str) -> HttpResponse:
    """Sign in, or redirect to the second step if the second factor is on."""
    if not SecondFactor.is_on(user):
        return complete_sign_in(request, user, onward)
    request.session.cycle_key()  # somebody else may have set the cookie in this browser
    request.session[PASSED] = {
        "user": str(user.pk),
        "proof": user.get_session_auth_hash(),
        "at": int(time.time()),
        "onward": onward,
    }
    return redirect("second-step")


def complete_sign_in(request: HttpRequest, user: User, onward: str) -> HttpResponse:
    """Sign the user in and set the device cookie; redirect to `onward`."""
    login(request, user, backend=BACKEND)
    response = HttpResponseRedirect(onward)  # `redirect` would take it for a URL's name
    set_device_cookie(request, response, user)
    return response


def _read_first_step(request: HttpRequest) -> tuple[User | None, str]:
    """Return the user of a recent first step, and the URL to go on to; (None, "") if none."""
    passed: dict[str, Any] = request.session.get(PASSED) or {}
    if time.time() - passed.get("at", 0) > PASSED_S:
        return None, ""
    user = User.objects.filter(pk=passed["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), passed["proof"]):
        return None, ""
    return user, passed["onward"]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """Ask for a code after the first step."""
    user, onward = _read_first_step(request)
    if user is None:
        request.session.pop(PASSED, None)
        return redirect("signin")
    if request.method != "POST":
        return render(request, "accounts/second_step.html")
    if is_refused(request, user.username):
        return locked_out(request)
    try:
        is_right = SecondFactor.verify(user, request.POST.get("code", "")[:100])
    except Paused as pause:
        return retry_later(request, pause.seconds)
    if not is_right:
        record_failure(request, user.username)
        return render(request, "accounts/second_step.html", {"errors": [WRONG_CODE]})
    del request.session[PASSED]
    return complete_sign_in(request, user, onward)


@link_page(A_LINK, SignInLink.objects.select_related("user").find_known)
def sign_in_link(request: HttpRequest, link: SignInLink, text: str) -> HttpResponse:
    """Sign in by a one-time link, which replaces the password but not the second factor."""
    if request.method != "POST":
        if link.is_open:
            return render(request, "accounts/signin_link.html", {"person": link.user})
    elif link.claim():
        return _finish_first_step(request, link.user, resolve_url("wall"))
    elif cache.add(f"link-over:{link.digest}", True, LOGGED_S):
        # A used or expired link was not guessed; it is logged once per `LOGGED_S`.
        requester = Requester(name=A_LINK, address=Requester.of(request).address)
        log_action(
            requester, Action.SIGN_IN_FAILED, A_LINK, detail="by a sign-in link that is over"
        )
    return link_ended(request, A_LINK)


@never_cache
def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Redirect from the admin's own sign-in page, which does not ask for a code."""
    if request.user.is_authenticated:
        raise PermissionDenied("The admin is for those who run this installation.")
    onward = request.GET.get("next") or reverse("admin:index")
    return redirect(f"{reverse('signin')}?{urlencode({'next': onward})}")
