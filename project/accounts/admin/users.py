"""People, and what each may do in the installation."""

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

from project.accounts.admin.groups import WithRights
from project.accounts.models import Organization, SecondFactor, SignInLink, User
from project.accounts.models.one_time_links import end_sign_ins
from project.addresses import public_address
from project.audit.log import Action, home_of, note
from project.audit.model_admin import CountsWhatGoes

# What makes an account more than it was: for superusers to give.
RAISING = ("is_staff", "is_superuser", "groups", "user_permissions")
ABOVE = "The accounts of staff are changed by superusers alone, and one's own under “Account”."


def may_touch(request: HttpRequest, person: User | None) -> bool:
    """Who may enter the admin is for superusers: whoever sets a password or an address, makes a
    sign-in link or takes the second factor away holds the account, and what it may."""
    above = person is not None and (person.is_staff or person.is_superuser)
    return bool(request.user.is_superuser) or not above


class _NewPerson(AdminUserCreationForm):  # type: ignore[type-arg] # no generic at run time
    """With the password hashed before."""

    hashed: ClassVar[str]

    def set_password_and_save(self, user: User, *args: Any, **kwargs: Any) -> User:
        user.password = make_password(None)
        if self.cleaned_data["set_usable_password"]:
            user.password = self.hashed
        return user


class _NewPassword(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """The password, the end of the sign-ins and the note are saved together."""

    def __init__(self, *args: Any, request: HttpRequest) -> None:
        super().__init__(*args)
        self.request = request

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)  # the hash takes its time: no lock is held
        with transaction.atomic():
            user.save(update_fields=["password"])
            end_sign_ins(user)
            said = "" if user == self.request.user else "of another person"
            note(self.request, Action.PASSWORD, user, home_of(user), detail=said)
        return user


@admin.register(User)
class PersonAdmin(CountsWhatGoes[User], WithRights, UserAdmin[User]):
    """People, as Django shows them, and what is done for one who has lost password or phone."""

    actions: tuple[str, ...] = ("make_sign_in_link", "reset_second_factor")

    def has_rescue_permission(self, request: HttpRequest) -> bool:
        """Without the second factor, whoever may set a password would hold the account."""
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.action(description="Make a one-time sign-in link", permissions=["change"])
    def make_sign_in_link(
        self, request: HttpRequest, chosen: QuerySet[User]
    ) -> HttpResponse | None:
        """For one person; shown once, on this answer: a message would be kept in a cookie.

        Their second factor is asked for nevertheless.
        """
        people = list(chosen.filter(is_active=True)[:2])
        if len(people) != 1:
            self.message_user(request, "Choose one person who is active.", messages.ERROR)
            return None
        self._refuse_above(request, people)
        with transaction.atomic():
            path = reverse("signin-link", args=[SignInLink.issue(people[0])])
            note(request, Action.SIGN_IN_LINK, people[0], home_of(people[0]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Sign-in link for {people[0]}",
            "opts": self.opts,
            "link": public_address(request, path),
        }
        answer = render(request, "admin/accounts/user/signin_link.html", context)
        add_never_cache_headers(answer)
        return answer

    @admin.action(description="Reset the second factor", permissions=["rescue"])
    def reset_second_factor(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """For who has lost the phone and the recovery codes. They are signed out everywhere."""
        done = []
        for person in chosen:
            with transaction.atomic():
                if SecondFactor.turn_off(person):
                    end_sign_ins(person)
                    note(request, Action.SECOND_FACTOR, person, home_of(person), detail="reset")
                    done.append(str(person))
        said = f"Reset: {', '.join(done)}. The password is enough now." if done else "None had one."
        self.message_user(request, said)

    def home_of(self, row: User) -> Organization | None:
        return home_of(row)

    def _refuse_above(self, request: HttpRequest, people: Iterable[User | None]) -> None:
        """Says why, where one of them is not for who asks; then nothing is done to any."""
        if not all(may_touch(request, person) for person in people):
            raise PermissionDenied(ABOVE)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        self._refuse_above(request, objs)
        return super().get_deleted_objects(objs, request)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Without the button that leads to a refusal."""
        mine = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return mine
        return [
            (name, {**told, "fields": [one for one in told["fields"] if one != "password"]})
            for name, told in mine
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        mine = super().get_readonly_fields(request, obj)
        return mine if request.user.is_superuser else (*mine, *RAISING)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and may_touch(request, obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Of people above who asks: to be read."""
        person = self.get_object(request, unquote(object_id))
        if request.method == "POST":
            self._refuse_above(request, [person])
        elif not may_touch(request, person):
            self.message_user(request, ABOVE, messages.WARNING)
        return super().change_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        self._refuse_above(request, [self.get_object(request, unquote(object_id))])
        return super().delete_view(request, object_id, extra_context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The hash takes its time, and Django holds a lock as long as it looks at the form."""
        if request.method == "POST" and self.has_add_permission(request):
            hashed = make_password(request.POST.get("password1", ""))
            mine = copy(self)  # of this request alone
            mine.add_form = type("HashedAhead", (_NewPerson,), {"hashed": hashed})
            return UserAdmin.add_view(mine, request, form_url, extra_context)
        return super().add_view(request, form_url, extra_context)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """The form saves by itself, and notes who asked."""
        self._refuse_above(request, [self.get_object(request, unquote(id))])
        mine: Any = copy(self)  # of this request alone
        mine.change_password_form = partial(_NewPassword, request=request)
        answer: HttpResponse = UserAdmin.user_change_password(mine, request, id, form_url)
        return answer
