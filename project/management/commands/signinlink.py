"""`manage.py signinlink [USERNAME]`: a link that signs one person in once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from cameras.models import SignInLink, User
from project import installation


class Command(BaseCommand):
    help = "Print a one-time sign-in link, valid for a day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="default: the first administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["username"]:
            user = User.objects.filter(username=options["username"], is_active=True).first()
            if user is None:
                raise CommandError(f"There is no active user named “{options['username']}”.")
        else:
            user = installation.owners()[0]
        link = reverse("signin-link", args=[SignInLink.issue(user)])
        self.stdout.write(installation.address(link))
