"""Invitations: an administrator creates a link; whoever accepts it becomes a member.

Apart from the admin this is the only way to get an account or a membership.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from project.accounts.access import actor_for_request, signed_in_user
from project.accounts.forms import InvitationForm, NewPersonForm
from project.accounts.models import Invitation, Membership, User
from project.accounts.throttling.attempts import AN_INVITATION, is_refused, record_failure
from project.accounts.usernames import TAKEN
from project.accounts.views.links import link_ended, link_page
from project.accounts.views.lockout import locked_out
from project.accounts.views.organizations import get_administered, organization_page
from project.accounts.views.sign_in import complete_sign_in
from project.addresses import public_url
from project.audit.log import Action, log_action
from project.audit.requesters import Requester

OPEN_MOST = 200


@never_cache
@login_required
@require_POST
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Create an invitation. Its link is shown on this response only."""
    organization = get_administered(request, slug)
    form = InvitationForm(request.POST)
    if form.is_valid() and organization.invitations.open().count() >= OPEN_MOST:
        form.add_error(None, f"There are {OPEN_MOST} open invitations. Revoke some first.")
    if not form.is_valid():
        return organization_page(request, organization, invitation_form=form)
    invitation = form.build_invitation()
    invitation.organization = organization
    invitation.membership = get_object_or_404(
        organization.memberships, user=signed_in_user(request)
    )
    with transaction.atomic():
        text = invitation.issue()
        detail = f"as {invitation.role}, ends {invitation.expires_at:%Y-%m-%d}"
        log_action(request, Action.INVITE, invitation.name, organization, detail=detail)
    link = public_url(request, reverse("invitation", args=[text]))
    return organization_page(request, organization, new_invitation=invitation, new_link=link)


@login_required
@require_POST
def revoke(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Revoke an invitation."""
    organization = get_administered(request, slug)
    visible = Invitation.objects.visible_to(actor_for_request(request))
    invitation = get_object_or_404(visible.filter(organization=organization), pk=pk)
    with transaction.atomic():
        invitation.revoke()
        log_action(request, Action.REVOKE_INVITATION, invitation.name, organization)
    messages.success(request, f"The invitation for {invitation.name} is revoked.")
    return redirect(f"{reverse('organization', args=[slug])}#members")


@link_page(
    AN_INVITATION,
    Invitation.objects.select_related("organization", "membership__user").find_known,
)
def invitation(request: HttpRequest, found: Invitation, text: str) -> HttpResponse:
    """Show an invitation, accept it if signed in, or create an account."""
    if not found.is_open:
        return link_ended(request, AN_INVITATION)
    if isinstance(request.user, User):
        return _accept(request, found, request.user)
    return _register(request, found, text)


def _accept(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    organization = invitation.organization
    member = Membership.objects.filter(user=user, organization=organization).first()
    gives = invitation.is_promotion(member)
    if request.method != "POST" or not gives:  # not used up: it may be meant for someone else
        context = {"invitation": invitation, "member": member, "gives": gives}
        return render(request, "accounts/invitation.html", context)
    if not _join(request, invitation, user):
        return link_ended(request, AN_INVITATION)
    messages.success(request, f"You are now a member of {organization.name}.")
    return redirect("wall")


def _register(request: HttpRequest, invitation: Invitation, text: str) -> HttpResponse:
    attempt = f"{AN_INVITATION} {invitation.pk}"  # of its own: many may accept theirs at once
    if request.method == "POST" and is_refused(request, attempt):
        return locked_out(request)
    form = NewPersonForm(request.POST if request.method == "POST" else None, mail=settings.MAIL)
    onward = reverse("invitation", args=[text])
    context = {"invitation": invitation, "form": form, "next": onward}
    if not form.is_bound or not form.is_valid():
        if form.has_error("username", "taken"):
            record_failure(request, attempt)  # bounds guessing of usernames
        return render(request, "accounts/invitation.html", context)
    user = form.build_user()  # hashing is slow: outside the transaction
    try:
        with transaction.atomic():
            user.save()
            requester = Requester(user, address=Requester.of(request).address)
            if not _join(requester, invitation, user, "a new account, "):
                raise _TooLate
    except (_TooLate, IntegrityError, ValidationError):  # the link or the name was taken meanwhile
        if not invitation.is_open:
            return link_ended(request, AN_INVITATION)
        form.add_error("username", TAKEN)
        return render(request, "accounts/invitation.html", context)
    response = complete_sign_in(request, user, resolve_url("wall"))
    messages.success(request, f"Welcome. You are a member of {invitation.organization.name}.")
    return response


class _TooLate(Exception):
    """The invitation was used or revoked meanwhile: roll the new account back."""


@transaction.atomic
def _join(
    origin: HttpRequest | Requester, invitation: Invitation, user: User, prefix: str = ""
) -> bool:
    """Make the user a member and log it; False if the invitation is no longer open."""
    if not invitation.accept(user):
        return False
    assert invitation.membership is not None  # it was open
    by = invitation.membership.user.username
    detail = f"{prefix}as {invitation.role}, invited by {by} for “{invitation.name}”"
    organization = invitation.organization
    log_action(origin, Action.ACCEPT_INVITATION, user.username, organization, detail=detail)
    return True
