"""The installation's own view of chats: read with a trace, erased whole, never changed."""

from chats.admin import assistants, conversations, people

__all__ = ["assistants", "conversations", "people"]
