#!/usr/bin/env python
"""Sideline's command line."""

import gc
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    os.umask(0o077)  # what is written holds session keys and pictures
    gc.set_threshold(20_000, 20, 20)  # imports and streams make much, little of it garbage
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C while still importing: nothing to tell
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit("This Python lacks Django. After `make run`: .venv/bin/python manage.py …")
    except Exception as error:
        from project.database.errors import unavailability

        reason = unavailability(error)
        if reason is None:
            raise
        sys.exit(f"The database cannot be used: {reason}")
