"""`manage.py resealsources`: encrypt stored secrets again after a change of SIDELINE_FIELD_KEY."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model

from project.database.tables import require_tables
from project.encryption import UnsealFailed, reseal, unseal

PREFIX = "sealed_"  # of the names of encrypted fields: a camera's source, a model's key


class Command(BaseCommand):
    help = "Encrypt all stored secrets (cameras' addresses, models' keys …) with the first key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; report what no key decrypts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_tables()
        action = _check if options["check"] else _reseal
        done, failed = 0, []
        for model, field in sealed_fields():
            for row in model._base_manager.exclude(**{field: ""}):
                try:
                    done += action(row, field)
                except UnsealFailed:
                    failed.append(f"{model._meta.verbose_name} “{row}”")
        if failed:
            raise CommandError(
                f"No key of SIDELINE_FIELD_KEY decrypts the stored secrets of {', '.join(failed)}. "
                f"The others {'can be read' if options['check'] else 'are done'}."
            )
        result = "that can be read" if options["check"] else "encrypted with the first key"
        self.stdout.write(f"Stored secrets {result}: {done}.")


def sealed_fields() -> list[tuple[type[Model], str]]:
    """Return all encrypted fields of all models, as (model, field name)."""
    return [
        (model, field.name)
        for model in apps.get_models()
        if not model._meta.proxy
        for field in model._meta.local_fields
        if field.name.startswith(PREFIX)
    ]


def _check(row: Model, field: str) -> int:
    """Return 1. Raises `UnsealFailed`."""
    unseal(getattr(row, field))
    return 1


def _reseal(row: Model, field: str) -> int:
    """Return 1, or 0 if the field changed meanwhile: the server then used the first key."""
    old = getattr(row, field)
    unchanged = type(row)._base_manager.filter(pk=row.pk, **{field: old})
    return unchanged.update(**{field: reseal(old)})
