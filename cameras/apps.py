"""Configuration of the Django app."""

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "cameras"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the credentials of cameras: tickets, stream keys and share links."""
        from cameras import access

        access.register()
