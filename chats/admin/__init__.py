"""Chats in the admin: read-only, each access is audited; chats can only be erased."""

from chats.admin import assistants, chats, users

__all__ = ["assistants", "chats", "users"]
