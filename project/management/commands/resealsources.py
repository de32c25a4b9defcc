"""`manage.py resealsources`: encrypt stored secrets anew, after a change of SIDELINE_FIELD_KEY."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model

from project.encryption import SealBroken, reseal, unseal

PREFIX = "sealed_"  # how fields with sealed text are called: a camera's source, a model's key


class Command(BaseCommand):
    help = "Encrypt all stored secrets (cameras' addresses, models' keys …) with the first key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; say what no key opens"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        deed = _opens if options["check"] else _reseal
        done, broken = 0, []
        for model, field in sealed_fields():
            for row in model._base_manager.exclude(**{field: ""}):
                try:
                    done += deed(row, field)
                except SealBroken:
                    broken.append(f"{model._meta.verbose_name} “{row}”")
        if broken:
            raise CommandError(
                f"No key of SIDELINE_FIELD_KEY opens what is stored of {', '.join(broken)}. "
                f"The others {'can be read' if options['check'] else 'are done'}."
            )
        said = "that can be read" if options["check"] else "encrypted with the first key"
        self.stdout.write(f"Stored secrets {said}: {done}.")


def sealed_fields() -> list[tuple[type[Model], str]]:
    """Every column of every table that holds sealed text."""
    return [
        (model, field.name)
        for model in apps.get_models()
        if not model._meta.proxy
        for field in model._meta.local_fields
        if field.name.startswith(PREFIX)
    ]


def _opens(row: Model, field: str) -> int:
    unseal(getattr(row, field))
    return 1


def _reseal(row: Model, field: str) -> int:
    """How many it is now. What somebody has saved meanwhile, the server has sealed, and stays."""
    old = getattr(row, field)
    same = type(row)._base_manager.filter(pk=row.pk, **{field: old})
    return same.update(**{field: reseal(old)})
