"""Bearer tokens over REST. A new one never has more scopes than the credential that creates it."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from project.accounts.api.serializers import IssuedTokenSerializer, TokenSerializer
from project.accounts.api.views import WithActor, uuid_in
from project.accounts.models import Token
from project.accounts.models.tokens import TooManyTokens
from project.api import CreatedAtCursorPagination
from project.audit.log import Action, log_action


class _TokenPages(CreatedAtCursorPagination):
    ordering = ("created", "uid")


class _Tokens(WithActor, generics.GenericAPIView[Token]):
    serializer_class = TokenSerializer
    pagination_class = _TokenPages
    lookup_field = "uid"
    lookup_url_kwarg = "pk"

    def get_queryset(self) -> QuerySet[Token]:
        return Token.objects.visible_to(self.actor).select_related("user")


class TokenList(_Tokens, generics.ListCreateAPIView[Token]):
    """One's own tokens, and those of the organizations that one administers."""

    @extend_schema(responses={201: IssuedTokenSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        organization_id = self._organization(request)
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        data: dict[str, Any] = form.validated_data
        lacking = [
            scope for scope in data["scopes"] if not self.actor.has_scope(scope, organization_id)
        ]
        if lacking:
            raise PermissionDenied(f"You may not give the scope “{lacking[0]}”: you lack it.")
        assert self.actor.user is not None
        try:
            with transaction.atomic():
                token, text = Token.issue(
                    self.actor.user,
                    organization_id,
                    name=data["name"],
                    scopes=data["scopes"],
                    expiry=data.get("expiry"),
                    credential=self.actor.credential,
                )
                may = ", ".join(token.scopes)
                log_action(request, Action.MAKE_TOKEN, token.name, token.organization, detail=may)
        except TooManyTokens as error:
            raise ValidationError({"name": [str(error)]}) from None
        response = Response(self.get_serializer(token).data | {"token": text}, status=201)
        response["Cache-Control"] = "no-store"
        return response

    def _organization(self, request: Request) -> uuid.UUID:
        """Return the organization of the body, or the only one; 404 if the user is not a member."""
        organization_id = uuid_in(request, "organization")
        own = list(self.actor.roles)
        if organization_id is None and len(own) == 1:
            return own[0]
        if organization_id is None:
            raise ValidationError({"organization": ["Name the organization by its id."]})
        if organization_id not in own:
            raise Http404
        return organization_id


class TokenDetail(_Tokens, generics.RetrieveDestroyAPIView[Token]):
    """One token; DELETE revokes it, and closes what it holds open within two seconds."""

    @transaction.atomic
    def perform_destroy(self, instance: Token) -> None:
        scopes, organization = self.actor.scopes, instance.organization_id
        has_more_scopes = scopes is not None and not scopes.issuperset(instance.scopes)
        if has_more_scopes and not (organization and self.actor.has_scope("admin", organization)):
            raise PermissionDenied("This token may do more than yours; revoke it by another.")
        instance.revoke()
        whose = f"of {instance.user}"
        log_action(
            self.request, Action.REVOKE_TOKEN, instance.name, instance.organization, detail=whose
        )
