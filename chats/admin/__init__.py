"""Chats in the admin: read-only, each access is audited; chats can only be erased."""

from chats.admin import assistants, chats, erasure

__all__ = ["assistants", "chats", "erasure"]
