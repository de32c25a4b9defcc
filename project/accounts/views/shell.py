"""The data of the base template: the user, the organizations, and the chosen one."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from project.accounts.access import actor_for_request
from project.accounts.credentials import Actor
from project.accounts.models import Organization, User

CHOSEN = "organization"  # session key of the chosen organization's slug


class Shell:
    """What the base template shows. Every property is computed when first used."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def user(self) -> User | None:
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None

    @cached_property
    def actor(self) -> Actor:
        return actor_for_request(self._request) if self.user else Actor()

    @cached_property
    def organizations(self) -> list[Organization]:
        """The user's organizations, by name."""
        return list(Organization.objects.visible_to(self.actor))

    @cached_property
    def administered(self) -> list[Organization]:
        """The organizations of which the user is an administrator."""
        ids = self.actor.organization_ids("admin")
        return [each for each in self.organizations if each.pk in ids]

    @cached_property
    def current(self) -> Organization | None:
        """The chosen organization, or the only one; None means all of them."""
        if len(self.organizations) == 1:
            return self.organizations[0]
        chosen = self._request.session.get(CHOSEN)
        return next((each for each in self.organizations if each.slug == chosen), None)

    @cached_property
    def settings_of(self) -> Organization | None:
        """The organization whose settings the navigation links to."""
        if self.current in self.administered:
            return self.current
        return self.administered[0] if self.administered and self.current is None else None

    @cached_property
    def has_password(self) -> bool:
        return self.user is None or self.user.has_usable_password()

    @cached_property
    def page(self) -> str:
        """The URL name of the page; empty if no URL pattern matched."""
        match = self._request.resolver_match
        return (match.url_name or "") if match else ""


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: add `shell` to every template."""
    return {"shell": Shell(request)}


@login_required
@require_POST
def choose_organization(request: HttpRequest) -> HttpResponse:
    """Choose one organization, or (with an empty value) all of them."""
    slug = request.POST.get("organization", "")
    visible = Organization.objects.visible_to(actor_for_request(request))
    if visible.filter(slug=slug).exists():
        request.session[CHOSEN] = slug
    else:
        request.session.pop(CHOSEN, None)
    return redirect("wall")
