"""Secrets: out of the environment, or out of a file that is made on the first start."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from project.environment.values import BadSetting, Values


class Keys(Values):
    """Reads of secrets, each of some length at least."""

    def secret(self, name: str, file: Path, *, shortest: int) -> str:
        """The variable, else the file's content, made with mode 0600 where it is missing."""
        value = self.text(name)
        if value:
            if len(value) < shortest:
                raise BadSetting(name, f"is too short; use at least {shortest} random characters.")
            return value
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._kept_secret(name, file, shortest)
        with os.fdopen(handle, "w") as out:
            made = secrets.token_urlsafe(48)
            out.write(made)
        return made

    def _kept_secret(self, name: str, file: Path, shortest: int) -> str:
        """What the file holds; another process that starts right now may still be writing it."""
        for _ in range(50):
            try:
                kept = file.read_text().strip()
            except OSError as error:
                raise BadSetting(name, f"{file} cannot be read: {error.strerror}.") from None
            if len(kept) >= shortest:
                return kept
            time.sleep(0.02)
        raise BadSetting(name, f"{file} holds less than {shortest} characters; delete it.")

    def keys(self, name: str, file: Path, *, shortest: int) -> list[str]:
        """Several secrets, comma-separated, each long enough."""
        keys = [key.strip() for key in self.secret(name, file, shortest=shortest).split(",")]
        if min(map(len, keys)) < shortest:
            raise BadSetting(name, f"each of its keys needs at least {shortest} random characters.")
        return keys
