from chats.models.allowances import Allowance, QuotaExceeded
from chats.models.assistants import Assistant
from chats.models.chats import Chat
from chats.models.generations import Generation, GenerationEvent
from chats.models.messages import Message, Role, Status

__all__ = [
    "Allowance",
    "Assistant",
    "Chat",
    "Generation",
    "GenerationEvent",
    "Message",
    "QuotaExceeded",
    "Role",
    "Status",
]
