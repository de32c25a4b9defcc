"""The frame around every page: whose page it is, and which organization is in front."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from project.accounts.access import Actor, actor_of
from project.accounts.models import Organization, User

CHOSEN = "organization"  # the session's key for the slug of the chosen organization


class Shell:
    """What the base template asks of a request. Looks nothing up before it is asked."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def user(self) -> User | None:
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None

    @cached_property
    def actor(self) -> Actor:
        return actor_of(self._request) if self.user else Actor()

    @cached_property
    def organizations(self) -> list[Organization]:
        """Those the person belongs to, by name."""
        return list(Organization.objects.visible_to(self.actor))

    @cached_property
    def administered(self) -> list[Organization]:
        """Those the person may change."""
        mine = self.actor.organization_ids("admin")
        return [one for one in self.organizations if one.pk in mine]

    @cached_property
    def current(self) -> Organization | None:
        """The chosen one, or the only one; None means all of them."""
        if len(self.organizations) == 1:
            return self.organizations[0]
        chosen = self._request.session.get(CHOSEN)
        return next((one for one in self.organizations if one.slug == chosen), None)

    @cached_property
    def settings_of(self) -> Organization | None:
        """The organization whose settings the rail leads to."""
        if self.current in self.administered:
            return self.current
        return self.administered[0] if self.administered and self.current is None else None

    @cached_property
    def has_password(self) -> bool:
        return self.user is None or self.user.has_usable_password()

    @cached_property
    def page(self) -> str:
        """The URL name of the page, or nothing where the address led nowhere."""
        match = self._request.resolver_match
        return (match.url_name or "") if match else ""


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `shell` in every template."""
    return {"shell": Shell(request)}


@login_required
@require_POST
def choose_organization(request: HttpRequest) -> HttpResponse:
    """Put one organization in front, or (with an empty value) all of them."""
    wanted = request.POST.get("organization", "")
    mine = Organization.objects.visible_to(actor_of(request))
    if mine.filter(slug=wanted).exists():
        request.session[CHOSEN] = wanted
    else:
        request.session.pop(CHOSEN, None)
    return redirect("wall")
