"""Text and addresses as the log takes them: whatever was sent, each is one plain line."""

from __future__ import annotations

from cameras import peers


def line(text: object, most: int) -> str:
    """One printable line of at most `most` characters, which every database takes."""
    whole = str(text)[: 4 * most].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(one if one.isprintable() else " " for one in whole).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def address_in(text: object) -> str | None:
    """An IP address in its one spelling; None for what is none, such as a local socket's."""
    found = peers.address_in(text)
    return None if found is None else str(found)
