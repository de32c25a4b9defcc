"""Plain values: words, switches, numbers, folders. And what becomes of a bad one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class BadSetting(SystemExit):
    """Ends the process with a sentence instead of a traceback."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")


class Values:
    """Typed reads; every variable is optional."""

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, "1" if default else "0")
        if value not in ("0", "1"):
            raise BadSetting(name, f"expected 1 or 0, not “{value}”.")
        return value == "1"

    def number(self, name: str, default: int, least: int = 1, most: int = 1_000_000) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise BadSetting(name, f"expected a number from {least} to {most}, not “{value}”.")
        return int(value)

    def names(self, name: str) -> list[str]:
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def directory(self, name: str, default: Path) -> Path:
        path = Path(self.text(name, str(default))).expanduser().absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadSetting(name, f"{path} cannot be made: {error.strerror}.") from None
        if not os.access(path, os.W_OK):
            raise BadSetting(name, f"{path} cannot be written to.")
        return path
