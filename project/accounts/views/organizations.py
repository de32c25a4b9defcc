"""An organization's settings and members, for its administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from project.accounts.access import actor_for_request, signed_in_user
from project.accounts.forms import InvitationForm, OrganizationForm
from project.accounts.models import Membership, Organization, Role
from project.accounts.models.passes import (
    Pass,
    describe_passes,
    owners_of_passes,
    passes_of,
    take_over,
)
from project.audit.log import Action, differences, fetch_stored, log_action

LAST_ADMIN = "An organization needs an administrator. Make someone else one first."
REVOKE = "To end them, revoke them on the cameras' pages."
FOR_ADMINS = "These settings are for the organization's administrators."


def get_administered(request: HttpRequest, slug: str, refusal: str = FOR_ADMINS) -> Organization:
    """Return the organization for its administrators: 404 for outsiders, 403 with the sentence
    `refusal` for other members."""
    actor = actor_for_request(request)
    visible = Organization.objects.visible_to(actor)
    organization: Organization = get_object_or_404(visible, slug=slug)
    if not actor.has_scope("admin", organization.pk):
        raise PermissionDenied(refusal)
    return organization


def organization_page(
    request: HttpRequest, organization: Organization, **extra: Any
) -> HttpResponse:
    """Render the page. `extra` is added to the context: forms with errors, a new link."""
    context = {
        "organization": organization,
        "form": OrganizationForm(instance=organization),
        "invitation_form": InvitationForm(),
        "invitations": organization.invitations.open().select_related("membership__user"),
        "cameras": organization.cameras.select_related("organization", "state"),
        "members": organization.memberships.select_related("user"),
        "owners": owners_of_passes(organization),
        "roles": Role.choices,
    }
    return render(request, "accounts/organization.html", context | extra)


@never_cache
@login_required
def organization(request: HttpRequest, slug: str) -> HttpResponse:
    """Show an organization's settings, cameras and members; POST changes the settings."""
    found = get_administered(request, slug)
    if request.method != "POST":
        return organization_page(request, found)
    form = OrganizationForm(request.POST, instance=found)
    if not form.is_valid():
        return organization_page(request, get_administered(request, slug), form=form)
    with transaction.atomic():
        before = fetch_stored(found)
        form.save()
        if before is not None and (detail := differences(before, found)):
            log_action(request, Action.CHANGE_ORGANIZATION, found.name, found, detail=detail)
    messages.success(request, "Saved.")
    return redirect("organization", slug)


def _member(organization: Organization, pk: int) -> Membership:
    """Return a membership, and lock those of administrators until the transaction ends."""
    admins = Membership.objects.select_for_update().filter(
        organization=organization, role=Role.ADMIN
    )
    list(admins.values_list("pk"))
    members = organization.memberships.select_related("user")
    member: Membership = get_object_or_404(members.select_for_update(of=("self",)), pk=pk)
    return member


@login_required
@require_POST
def change_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Change a member's role."""
    organization = get_administered(request, slug)
    role = request.POST.get("role", "")
    with transaction.atomic():
        member = _member(organization, pk)
        if role not in Role.values:
            messages.error(request, "Choose one of the roles.")
        elif role != Role.ADMIN and member.is_last_admin():
            messages.error(request, LAST_ADMIN)
        else:
            detail = f"{member.role} → {role}"
            member.role = role
            member.save(update_fields=["role"])
            log_action(
                request, Action.CHANGE_ROLE, member.user.username, organization, detail=detail
            )
            label = member.get_role_display().lower()
            messages.success(request, f"{member.user.username} is now {_with_article(label)}.")
            if role == Role.VIEWER and (made := describe_passes(passes_of(member))):
                messages.info(
                    request, f"{member.user.username} made {made}, which still work. {REVOKE}"
                )
    return _redirect_after_change(request, organization)


@login_required
@require_POST
def remove_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Remove a member. Their open connections close within two seconds.

    If keys or links end with the membership, ask first whether the administrator takes them over.
    """
    organization = get_administered(request, slug)
    choice = request.POST.get("passes", "")
    with transaction.atomic():
        member = _member(organization, pk)
        passes = passes_of(member)
        others = organization.memberships.exclude(pk=member.pk)
        own = others.filter(user=signed_in_user(request)).first()
        if member.is_last_admin():
            messages.error(request, LAST_ADMIN)
        elif passes and (choice not in ("end", "take") or (choice == "take" and own is None)):
            context = {"member": member, "passes": passes, "count": describe_passes(passes)}
            return render(request, "accounts/member_remove.html", context)
        else:
            _remove(request, member, passes, own if choice == "take" else None)
    return _redirect_after_change(request, organization)


def _remove(
    request: HttpRequest, member: Membership, passes: Sequence[Pass], by: Membership | None
) -> None:
    """Remove a member. Their passes become those of `by`; with None they end."""
    name, organization, count = member.user.username, member.organization, describe_passes(passes)
    detail = f"{count}: {', '.join(one.name for one in passes)}" if passes else ""
    outcome = ""
    if passes and by is not None:
        take_over(member, by)
        log_action(request, Action.TAKE_OVER, name, organization, detail=detail)
        outcome = f" You have taken over {count}."
    elif passes:
        detail, outcome = f"ended {detail}", f" Ended: {count}."
    log_action(request, Action.REMOVE_MEMBER, name, organization, detail=detail if not by else "")
    member.delete()
    messages.success(request, f"{name} is no longer a member.{outcome}")


def _redirect_after_change(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Go back to the page, or to the wall if the user is no longer an administrator."""
    if actor_for_request(request).has_scope("admin", organization.pk):
        return redirect("organization", organization.slug)
    return redirect("wall")


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
