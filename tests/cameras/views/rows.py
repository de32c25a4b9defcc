"""Users, clients and form data for the tests of pages."""

from __future__ import annotations

from typing import Any

from django.test import Client

from project.accounts.models import Membership, Organization, User

PASSWORD = "offside-trap-4-4-2"


def person(name: str, organization: Organization | None = None, role: str = "") -> User:
    """Create a user with the password `PASSWORD`, as a member if an organization is given."""
    user = User.objects.create_user(name, password=PASSWORD)
    if organization:
        Membership.objects.create(user=user, organization=organization, role=role)
    return user


def client_of(user: User) -> Client:
    """Return a client that is signed in as the user."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def fields(**changes: Any) -> dict[str, Any]:
    """Return the data of a valid camera form."""
    defaults = {
        "name": "Goal", "kind": "rtsp", "source": "rtsp://u:secret@192.0.2.7/a", "enabled": "on",
        "detect": "on", "classes": ["person"], "threshold": "0.4", "fps": "10", "quality": "80",
        "aspect": "auto",
    }  # fmt: skip
    return defaults | changes
