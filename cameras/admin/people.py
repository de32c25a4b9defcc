"""People, and what each may do in the installation."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from cameras.admin.noting import CountsWhatGoes, Noted
from cameras.audit import Action, note
from cameras.audit.notes import home_of
from cameras.models import Organization, SecondFactor, SignInLink, User
from cameras.models.signing import end_sign_ins
from cameras.whereabouts import public_address

# What makes an account more than it was: for superusers to give.
RAISING = ("is_staff", "is_superuser", "groups", "user_permissions")


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    """A superuser's account is for superusers: whoever sets its password or address holds it."""
    return person is None or request.user.is_superuser or not person.is_superuser


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


def _rights(row: Any) -> set[str]:
    """The groups and permissions that somebody was given, by name."""
    groups = getattr(row, "groups", None)
    named = {f"group {one.name}" for one in groups.all()} if groups is not None else set()
    given = row.user_permissions if groups is not None else row.permissions
    return named | set(given.values_list("codename", flat=True))


def _difference(before: set[str], after: set[str]) -> str:
    return ", ".join([*(f"+{one}" for one in sorted(after - before)),
                      *(f"−{one}" for one in sorted(before - after))])  # fmt: skip


class _WithRights(Noted[Any]):
    """Groups and permissions are saved after the row itself."""

    added, changed, removed = Action.ADD_PERSON, Action.CHANGE_PERSON, Action.REMOVE_PERSON

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = _rights(form.instance)
        super().save_related(request, form, formsets, change)
        if said := _difference(before, _rights(form.instance)):
            row = form.instance
            note(request, self.changed, row, self.home_of(row), detail=f"rights: {said}")


@admin.register(User)
class PersonAdmin(CountsWhatGoes[User], _WithRights, UserAdmin[User]):
    """People, as Django shows them, and what is done for one who has lost password or phone."""

    actions: tuple[str, ...] = ("make_sign_in_link", "reset_second_factor")

    def has_rescue_permission(self, request: HttpRequest) -> bool:
        """Either deed hands an account over, a superuser's as well."""
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.action(description="Make a one-time sign-in link", permissions=["rescue"])
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
        with transaction.atomic():
            path = reverse("signin-link", args=[SignInLink.issue(people[0])])
            note(request, Action.SIGN_IN_LINK, people[0], home_of(people[0]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Sign-in link for {people[0]}",
            "opts": self.opts,
            "link": public_address(request, path),
        }
        answer = render(request, "admin/cameras/user/signin_link.html", context)
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

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        mine = super().get_readonly_fields(request, obj)
        return mine if request.user.is_superuser else (*mine, *RAISING)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

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
        mine: Any = copy(self)  # of this request alone
        mine.change_password_form = partial(_NewPassword, request=request)
        answer: HttpResponse = UserAdmin.user_change_password(mine, request, id, form_url)
        return answer


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(_WithRights, admin.ModelAdmin[Group]):
    """Permissions that several people have."""

    search_fields = ("name",)
    filter_horizontal = ("permissions",)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """One may be in the group oneself."""
        mine = super().get_readonly_fields(request, obj)
        return mine if request.user.is_superuser else (*mine, "permissions")

    def note_saved(self, request: HttpRequest, before: Any, after: Any) -> None:
        if before is None or before.name != after.name:
            note(request, self.changed, f"group {after.name}", detail="in the admin")

    def note_removed(self, request: HttpRequest, row: Any) -> None:
        note(request, self.changed, f"group {row.name}", detail="removed")
