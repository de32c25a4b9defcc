"""An organization's settings and people, for its administrators."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cameras.access import actor_of
from cameras.forms import MemberForm, OrganizationForm
from cameras.models import Membership, Organization, Role, SignInLink
from cameras.views.frame import public_address

LAST_ADMIN = "An organization needs an administrator. Make someone else one first."


def _administered(request: HttpRequest, slug: str) -> Organization:
    actor = actor_of(request)
    found: Organization = get_object_or_404(Organization.objects.visible_to(actor), slug=slug)
    if not actor.may("admin", found.pk):
        raise PermissionDenied("These settings are for the organization's administrators.")
    return found


def _page(request: HttpRequest, organization: Organization, **extra: Any) -> HttpResponse:
    context = {
        "organization": organization,
        "form": OrganizationForm(instance=organization),
        "member_form": MemberForm(organization=organization),
        "cameras": organization.cameras.select_related("organization", "state"),
        "members": organization.memberships.select_related("user"),
        "roles": Role.choices,
    }
    return render(request, "organizations/organization.html", context | extra)


@never_cache
@login_required
def organization(request: HttpRequest, slug: str) -> HttpResponse:
    """Name, zone and host; cameras; members."""
    found = _administered(request, slug)
    if request.method != "POST":
        return _page(request, found)
    form = OrganizationForm(request.POST, instance=found)
    if not form.is_valid():
        return _page(request, _administered(request, slug), form=form)
    form.save()
    messages.success(request, "Saved.")
    return redirect("organization", slug)


@never_cache
@login_required
@require_POST
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    """Let someone in. A new person gets a sign-in link, which is shown on this answer only.

    Never a link for a person who exists: that would hand their account to any administrator.
    """
    found = _administered(request, slug)
    form = MemberForm(request.POST, organization=found)
    if not form.is_valid():
        return _page(request, found, member_form=form)
    with transaction.atomic():
        user, is_new = form.person()
        Membership.objects.create(user=user, organization=found, role=form.cleaned_data["role"])
        token = SignInLink.issue(user) if is_new else ""
    if not is_new:
        messages.success(request, f"{user.username} is now a member.")
        return redirect("organization", slug)
    link = public_address(request, reverse("signin-link", args=(token,)))
    return _page(request, found, new_person=user, new_link=link)


def _member(organization: Organization, pk: int) -> Membership:
    """One membership, with the administrators' rows locked until the transaction ends."""
    admins = Membership.objects.select_for_update().filter(
        organization=organization, role=Role.ADMIN
    )
    list(admins.values_list("pk"))
    members = organization.memberships.select_related("user")
    member: Membership = get_object_or_404(members, pk=pk)
    return member


@login_required
@require_POST
def change_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Give a member another role."""
    found = _administered(request, slug)
    role = request.POST.get("role", "")
    with transaction.atomic():
        member = _member(found, pk)
        if role not in Role.values:
            messages.error(request, "Choose one of the roles.")
        elif role != Role.ADMIN and member.is_last_admin():
            messages.error(request, LAST_ADMIN)
        else:
            member.role = role
            member.save(update_fields=["role"])
            label = member.get_role_display().lower()
            messages.success(request, f"{member.user.username} is now {_a(label)}.")
    return redirect("organization", slug) if _still_admin(request, found) else redirect("wall")


@login_required
@require_POST
def remove_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take a member out; what they watch closes within two seconds."""
    found = _administered(request, slug)
    with transaction.atomic():
        member = _member(found, pk)
        if member.is_last_admin():
            messages.error(request, LAST_ADMIN)
        else:
            member.delete()
            messages.success(request, f"{member.user.username} is no longer a member.")
    return redirect("organization", slug) if _still_admin(request, found) else redirect("wall")


def _still_admin(request: HttpRequest, organization: Organization) -> bool:
    return actor_of(request).may("admin", organization.pk)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
