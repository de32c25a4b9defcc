"""`manage.py resealsources`: encrypt stored secrets anew, after a change of SIDELINE_FIELD_KEY."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from cameras.models.sealed import SealBroken, reseal

PREFIX = "sealed_"  # how fields with sealed text are called: a camera's source, a model's key


class Command(BaseCommand):
    help = "Encrypt all stored secrets (cameras' addresses, models' keys) with the first field key."

    def handle(self, *args: Any, **options: Any) -> None:
        done, broken = 0, []
        for model in apps.get_models():
            for field in model._meta.get_fields():
                if field.name.startswith(PREFIX):
                    sealed, failed = _reseal(model, field.name)
                    done += sealed
                    broken += failed
        if broken:
            raise CommandError(
                f"No key of SIDELINE_FIELD_KEY opens what is stored of {', '.join(broken)}. "
                "The others are done."
            )
        self.stdout.write(f"Encrypted with the first key: {done}.")


def _reseal(model: type[Model], field: str) -> tuple[int, list[str]]:
    """How many were sealed anew, and the names of those that no key opens."""
    rows = model._default_manager.exclude(**{field: ""})
    done, broken = 0, []
    for row in rows:
        try:
            sealed = reseal(getattr(row, field))
        except SealBroken:
            broken.append(str(row))
            continue
        done += rows.filter(pk=row.pk).update(**{field: sealed})
    return done, broken
