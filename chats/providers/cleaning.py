"""Text of a model made fit for storing: valid Unicode, and no NUL (PostgreSQL refuses it)."""

from __future__ import annotations

import re

_UNFIT = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Surrogate pairs joined; lone surrogates and NUL become U+FFFD."""
    if not _UNFIT.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _UNFIT.sub("\ufffd", joined)


class Cleaner:
    """`clean` over a stream: half of a pair at the end of a piece waits for the next piece."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """What is fit to show now; may be empty."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return clean(text)

    def end(self) -> str:
        """What is left: half of a pair whose other half never came."""
        text, self._half = self._half, ""
        return clean(text)
