"""The ASGI application: HTTP to Django, sockets to consumers, and a guard around both."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from cameras.consumers.routing import websockets  # noqa: E402
from project.middleware import Guard, TrustedProxies, UnderPublicPath  # noqa: E402

application = Guard(
    TrustedProxies(
        UnderPublicPath(ProtocolTypeRouter({"http": http, "websocket": URLRouter(websockets)}))
    )
)
