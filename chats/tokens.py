"""How many tokens a text has, without the model that would know. Django-free."""

PER_TURN = 8  # of a message's frame


def tokens_at_most(text: str) -> int:
    """More than the tokens of a text in any living language: they have two bytes and more each."""
    return len(text.encode()) // 2 + PER_TURN


def tokens_about(text: str) -> int:
    """An estimate, for providers that do not count: four bytes a token."""
    return (len(text.encode()) + 3) // 4
