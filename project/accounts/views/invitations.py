"""Letting people in: an administrator makes a link, and who opens it becomes a member.

Outside the admin nobody gets an account in another way, or becomes a member without saying so.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from project.accounts.access import actor_for_request, signed_in_user
from project.accounts.forms import InvitationForm, NewPersonForm
from project.accounts.models import Invitation, Membership, User
from project.accounts.throttling.attempts import AN_INVITATION, record_failure, is_locked
from project.accounts.views.fetch_metadata import refuse_cross_site_fetch
from project.accounts.views.lockout import locked_out
from project.accounts.views.organizations import administered, organization_page
from project.accounts.views.sign_in import complete_sign_in
from project.addresses import public_address
from project.audit.askers import Requester
from project.audit.log import Action, log_action

MOST_OPEN = 200


@never_cache
@login_required
@require_POST
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a link into the organization; it is shown on this answer only."""
    found = administered(request, slug)
    form = InvitationForm(request.POST)
    if form.is_valid() and found.invitations.open().count() >= MOST_OPEN:
        form.add_error(None, f"There are {MOST_OPEN} open invitations. Revoke some first.")
    if not form.is_valid():
        return organization_page(request, found, invitation_form=form)
    invitation = form.invitation()
    invitation.organization, invitation.created_by = found, signed_in_user(request)
    with transaction.atomic():
        text = invitation.issue()
        said = f"as {invitation.role}, ends {invitation.expires_at:%Y-%m-%d}"
        log_action(request, Action.INVITE, invitation.name, found, detail=said)
    link = public_address(request, reverse("invitation", args=[text]))
    return organization_page(request, found, new_invitation=invitation, new_link=link)


@login_required
@require_POST
def revoke(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """The link opens nothing any more."""
    found = administered(request, slug)
    ours = Invitation.objects.visible_to(actor_for_request(request)).filter(organization=found)
    invitation = get_object_or_404(ours, pk=pk)
    with transaction.atomic():
        invitation.revoke()
        log_action(request, Action.REVOKE_INVITATION, invitation.name, found)
    messages.success(request, f"The invitation for {invitation.name} is revoked.")
    return redirect(f"{reverse('organization', args=[slug])}#members")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@refuse_cross_site_fetch
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Looking changes nothing. Who is signed in accepts; others make an account, or sign in."""
    if is_locked(request, AN_INVITATION):
        return locked_out(request)
    found = Invitation.find_open(token)
    if found is None:
        if not Invitation.is_known(token):  # one that is over was no guess
            record_failure(request, AN_INVITATION)
        return _over(request)
    if isinstance(request.user, User):
        return _accept(request, found, request.user)
    return _register(request, found, token)


def _over(request: HttpRequest) -> HttpResponse:
    """One answer for a link that is wrong, used, too old or revoked."""
    return render(request, "accounts/link_ended.html", {"invitation": True}, status=410)


def _accept(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    home = found.organization
    member = Membership.objects.filter(user=user, organization=home).first()
    gives = found.raises(member)
    if request.method != "POST" or not gives:  # the link stays for whom it was meant
        context = {"invitation": found, "member": member, "gives": gives}
        return render(request, "accounts/invitation.html", context)
    with transaction.atomic():
        if not found.accept(user):
            return _over(request)
        log_action(request, Action.ACCEPT_INVITATION, user.username, home, detail=_said(found))
    messages.success(request, f"You are now a member of {home.name}.")
    return redirect("wall")


def _register(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    form = NewPersonForm(request.POST if request.method == "POST" else None, mail=settings.MAIL)
    onward = reverse("invitation", args=[token])
    context = {"invitation": found, "form": form, "next": onward}
    if not form.is_bound or not form.is_valid():
        if form.has_error("username", "taken"):
            record_failure(request, AN_INVITATION)  # else names could be tried without end
        return render(request, "accounts/invitation.html", context)
    user = form.person()  # the hash takes its time: no lock is held
    try:
        with transaction.atomic():
            user.save()
            if not found.accept(user):
                raise _TooLate
            requester = Requester(user, address=Requester.of(request).address)
            said = f"a new account, {_said(found)}"
            log_action(
                requester, Action.ACCEPT_INVITATION, user.username, found.organization, detail=said
            )
    except (_TooLate, IntegrityError):  # somebody else was quicker: with the link, or the name
        if Invitation.find_open(token) is None:
            return _over(request)
        form.add_error("username", NewPersonForm.TAKEN)
        return render(request, "accounts/invitation.html", context)
    answer = complete_sign_in(request, user, resolve_url("wall"))
    messages.success(request, f"Welcome. You are a member of {found.organization.name}.")
    return answer


class _TooLate(Exception):
    """The invitation was used or revoked meanwhile: the new account is not made."""


def _said(found: Invitation) -> str:
    by = found.created_by.username if found.created_by else "somebody"
    return f"as {found.role}, invited by {by} for “{found.name}”"
