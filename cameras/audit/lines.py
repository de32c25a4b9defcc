"""Text and addresses as the log takes them: whatever was sent, each is one plain line."""

from __future__ import annotations


def line(text: object, most: int) -> str:
    """One printable line of at most `most` characters, which every database takes."""
    whole = str(text)[: 4 * most].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(one if one.isprintable() else " " for one in whole).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"
