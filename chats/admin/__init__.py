"""The installation's own view of chats: read with a trace, erased whole, never changed."""

from chats.admin import assistants, chats, users

__all__ = ["assistants", "chats", "users"]
