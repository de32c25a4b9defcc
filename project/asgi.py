"""The ASGI application: HTTP to Django, WebSockets to consumers, inside ASGI middleware."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from cameras.consumers.routing import websockets  # noqa: E402
from project.database import probe  # noqa: E402
from project.middleware import ErrorBoundary, PublicPathPrefix, TrustedProxies  # noqa: E402

application = ErrorBoundary(
    TrustedProxies(
        PublicPathPrefix(ProtocolTypeRouter({"http": http, "websocket": URLRouter(websockets)}))
    )
)

probe.watch("web")  # here, so that other servers than `serve` do it, too
