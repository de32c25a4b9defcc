"""Users, their permissions, and recovery of lost passwords and phones."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.hashers import make_password
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from project.accounts.access import signed_in_user
from project.accounts.admin.groups import AuditedPermissionsAdmin
from project.accounts.models import Organization, SecondFactor, SignInLink, User
from project.accounts.models.one_time_links import end_sign_ins
from project.addresses import public_url
from project.audit.log import Action, log_account_action, sole_organization
from project.audit.model_admin import CountedDeletionAdmin

# Fields that raise what an account may do; only superusers change them.
SUPERUSER_FIELDS = ("is_staff", "is_superuser", "groups", "user_permissions")
STAFF_ONLY_BY_SUPERUSERS = (
    "The accounts of staff are changed by superusers alone, and one's own under “Account”."
)


def can_change_account(request: HttpRequest, person: User | None) -> bool:
    """True if the requester may change the account: that of staff only as a superuser.

    Setting a password or an address, creating a sign-in link or removing the second factor gives
    control of the account.
    """
    is_staff = person is not None and (person.is_staff or person.is_superuser)
    return bool(request.user.is_superuser) or not is_staff


class _NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg] # no generic at run time
    """Django's form, with a password that is already hashed."""

    hashed: ClassVar[str]

    def set_password_and_save(self, user: User, *args: Any, **kwargs: Any) -> User:
        user.password = make_password(None)
        if self.cleaned_data["set_usable_password"]:
            user.password = self.hashed
        return user


class _NewPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Django's form; ends the user's sign-ins and writes the audit entry in one transaction."""

    def __init__(self, *args: Any, request: HttpRequest) -> None:
        super().__init__(*args)
        self.request = request

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)  # hashing is slow: outside the transaction
        with transaction.atomic():
            user.save(update_fields=["password"])
            end_sign_ins(user)
            detail = "" if user == self.request.user else "of another person"
            log_account_action(self.request, Action.PASSWORD, user, detail)
        return user


@admin.register(User)
class PersonAdmin(CountedDeletionAdmin[User], AuditedPermissionsAdmin, UserAdmin[User]):
    """Django's admin of users, with actions for those who have lost a password or phone."""

    actions: tuple[str, ...] = ("make_sign_in_link", "reset_second_factor")

    def has_rescue_permission(self, request: HttpRequest) -> bool:
        """Only superusers: staff can set passwords, and without the factor that would be enough."""
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.action(description="Make a one-time sign-in link", permissions=["change"])
    def make_sign_in_link(
        self, request: HttpRequest, chosen: QuerySet[User]
    ) -> HttpResponse | None:
        """Show a link for one user, on this response only: a message would be stored in a cookie.

        The link does not replace the second factor.
        """
        people = list(chosen.filter(is_active=True)[:2])
        if len(people) != 1:
            self.message_user(request, "Choose one person who is active.", messages.ERROR)
            return None
        self._refuse_staff(request, people)
        with transaction.atomic():
            text = SignInLink(user=people[0], made_by=signed_in_user(request)).issue()
            log_account_action(request, Action.SIGN_IN_LINK, people[0])
        context = {
            **self.admin_site.each_context(request),
            "title": f"Sign-in link for {people[0]}",
            "opts": self.opts,
            "link": public_url(request, reverse("signin-link", args=[text])),
        }
        response = render(request, "admin/accounts/user/signin_link.html", context)
        add_never_cache_headers(response)
        return response

    @admin.action(description="Reset the second factor", permissions=["rescue"])
    def reset_second_factor(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """For users who have lost phone and recovery codes. Ends all their sign-ins."""
        reset = []
        for person in chosen:
            with transaction.atomic():
                if SecondFactor.turn_off(person):
                    end_sign_ins(person)
                    log_account_action(request, Action.SECOND_FACTOR, person, "reset")
                    reset.append(str(person))
        text = (
            f"Reset: {', '.join(reset)}. The password is enough now." if reset else "None had one."
        )
        self.message_user(request, text)

    def organization_of(self, row: User) -> Organization | None:
        return sole_organization(row)

    def _refuse_staff(self, request: HttpRequest, people: Iterable[User | None]) -> None:
        """Raise 403 if the requester may not change one of the accounts."""
        if not all(can_change_account(request, person) for person in people):
            raise PermissionDenied(STAFF_ONLY_BY_SUPERUSERS)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        self._refuse_staff(request, objs)
        return super().get_deleted_objects(objs, request)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Leave out the password button if it would lead to 403."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (name, {**options, "fields": [one for one in options["fields"] if one != "password"]})
            for name, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, *SUPERUSER_FIELDS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and can_change_account(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and can_change_account(request, obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show the accounts of staff read-only to other staff."""
        person = self.get_object(request, unquote(object_id))
        if request.method == "POST":
            self._refuse_staff(request, [person])
        elif not can_change_account(request, person):
            self.message_user(request, STAFF_ONLY_BY_SUPERUSERS, messages.WARNING)
        return super().change_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        self._refuse_staff(request, [self.get_object(request, unquote(object_id))])
        return super().delete_view(request, object_id, extra_context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Hash the password first: Django validates the form inside a transaction."""
        if request.method == "POST" and self.has_add_permission(request):
            hashed = make_password(request.POST.get("password1", ""))
            own = copy(self)  # for this request only
            own.add_form = type("HashedAhead", (_NewUserForm,), {"hashed": hashed})
            return UserAdmin.add_view(own, request, form_url, extra_context)
        return super().add_view(request, form_url, extra_context)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Pass the request to the form, which saves and writes the audit entry."""
        self._refuse_staff(request, [self.get_object(request, unquote(id))])
        own: Any = copy(self)  # for this request only
        own.change_password_form = partial(_NewPasswordForm, request=request)
        response: HttpResponse = UserAdmin.user_change_password(own, request, id, form_url)
        return response
