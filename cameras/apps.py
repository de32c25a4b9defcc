from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "cameras"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cameras.audit import signins  # noqa: F401 - listens to Django's sign-ins
