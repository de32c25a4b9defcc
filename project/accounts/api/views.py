"""Base classes of the API's views: the request's actor and the scopes that a view needs."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from project.accounts.access import actor_for_request
from project.accounts.credentials import Actor


class WithActor(APIView):
    """A view for actors who have the scope `least_scope` in some organization."""

    least_scope = "read"

    @property
    def actor(self) -> Actor:
        return actor_for_request(self.request)

    def require(self, scope: str, organization_id: uuid.UUID) -> None:
        """Raise 403 if the actor's role or token lacks the scope."""
        if not self.actor.has_scope(scope, organization_id):
            raise PermissionDenied(f"This needs the scope “{scope}” in the organization.")

    def check_least_scope(self) -> None:
        """Raise 403 if a member has the scope nowhere: an empty list would be misleading."""
        if self.actor.roles and not self.actor.organization_ids(self.least_scope):
            raise PermissionDenied(f"This needs the scope “{self.least_scope}”.")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.check_least_scope()


class ForOperators(WithActor):
    """A view for operators and administrators of some organization."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.actor.roles and not self.actor.organization_ids("publish"):
            raise PermissionDenied("This needs the operator's role and the scope “publish”.")


def uuid_in(request: Request, name: str) -> uuid.UUID | None:
    """Return an id of the body; None if it is missing or malformed, which serializers report.

    Raises 400 for other types than strings: serializers would accept a number as an id.
    """
    data: Any = request.data
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str | None):
        raise ValidationError({name: ["This must be an id, as a text."]})
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError):
        return None
