"""What the API's views share: whose request it is, and how far it reaches."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from project.accounts.access import Actor, actor_of


class WithActor(APIView):
    """A view of somebody who may read something, or do what `least` names."""

    least = "read"

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    def require(self, scope: str, organization_id: uuid.UUID) -> None:
        """403 for a member whose role or token does not hold the scope."""
        if not self.actor.may(scope, organization_id):
            raise PermissionDenied(f"This needs the scope “{scope}” in the organization.")

    def check_reach(self) -> None:
        """403 for a token that may do so nowhere at all: an empty list would be a lie."""
        if self.actor.roles and not self.actor.organization_ids(self.least):
            raise PermissionDenied(f"This needs the scope “{self.least}”.")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.check_reach()


class ForOperators(WithActor):
    """A view of who operates some organization's cameras."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.actor.roles and not self.actor.organization_ids("publish"):
            raise PermissionDenied("This needs the operator's role and the scope “publish”.")


def uuid_in(request: Request, name: str) -> uuid.UUID | None:
    """The id that the body names; None where it is missing or no id, which serializers tell.

    400 for what is no text: they would take a number for an id as well, unasked.
    """
    data: Any = request.data
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, str | None):
        raise ValidationError({name: ["This must be an id, as a text."]})
    try:
        return uuid.UUID(found)
    except (ValueError, TypeError):
        return None
