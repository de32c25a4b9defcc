"""`manage.py prune`: delete expired data. The server does the same every hour."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from project.database.tables import require_tables
from project.housekeeping import JOBS


class Command(BaseCommand):
    help = "Remove chats, logs, audit entries and credentials whose time is over."

    def handle(self, *args: Any, **options: Any) -> None:
        require_tables()
        for label, job in JOBS.items():
            self.stdout.write(f"Removed {label}: {job()}.")
