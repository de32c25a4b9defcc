"""`manage.py signinlink [USERNAME]`: print a one-time sign-in link."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.urls import reverse

from project import installation
from project.accounts.models import SecondFactor, SignInLink, User
from project.accounts.models.one_time_links import end_sign_ins
from project.audit.log import Action, log_account_action
from project.database.tables import require_tables


class Command(BaseCommand):
    help = "Print a one-time sign-in link, valid for a day. It stands for the password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="default: the first administrator")
        parser.add_argument(
            "--reset-second-factor",
            action="store_true",
            help="turn off the second factor of a user who lost the phone and the recovery codes",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_tables()
        user = self._find_user(options["username"])
        with transaction.atomic():
            if options["reset_second_factor"]:
                self._reset(user)
            text = SignInLink(user=user).issue()
            log_account_action(None, Action.SIGN_IN_LINK, user)
        if SecondFactor.is_on(user):
            self.stderr.write(
                f"{user.username} has a second factor: the link asks for a code as well."
            )
        self.stdout.write(installation.page_url(reverse("signin-link", args=[text])))

    def _find_user(self, username: str | None) -> User:
        if not username:
            return installation.ensure_superusers()[0]
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user named “{username}”.")
        return user

    def _reset(self, user: User) -> None:
        if not SecondFactor.turn_off(user):
            raise CommandError(f"{user.username} has no second factor.")
        end_sign_ins(user)
        log_account_action(None, Action.SECOND_FACTOR, user, "reset")
        self.stderr.write(f"The second factor of {user.username} is reset.")
