from chats.models.assistants import Assistant
from chats.models.chats import Chat
from chats.models.generations import Generation, GenerationEvent
from chats.models.messages import Message, RenderedMessage, Role, Status
from chats.models.quotas import Quota, QuotaExceeded

__all__ = [
    "Assistant",
    "Chat",
    "Generation",
    "GenerationEvent",
    "Message",
    "Quota",
    "QuotaExceeded",
    "RenderedMessage",
    "Role",
    "Status",
]
