"""Bearer tokens over REST. One never gives more than the credential that asks for it has."""

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
from project.api import CursorPages
from project.audit.log import Action, note


class _ByCursor(CursorPages):
    ordering = ("created", "uid")


class _Tokens(WithActor, generics.GenericAPIView[Token]):
    serializer_class = TokenSerializer
    pagination_class = _ByCursor
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
        given: dict[str, Any] = form.validated_data
        lacking = [one for one in given["scopes"] if not self.actor.may(one, organization_id)]
        if lacking:
            raise PermissionDenied(f"You may not give the scope “{lacking[0]}”: you lack it.")
        assert self.actor.user is not None
        try:
            with transaction.atomic():
                token, text = Token.make(
                    self.actor.user,
                    organization_id,
                    name=given["name"],
                    scopes=given["scopes"],
                    expiry=given.get("expiry"),
                    grant=self.actor.grant,
                )
                may = ", ".join(token.scopes)
                note(request, Action.MAKE_TOKEN, token.name, token.organization, detail=may)
        except TooManyTokens as error:
            raise ValidationError({"name": [str(error)]}) from None
        shown = self.get_serializer(token).data | {"token": text}
        answer = Response(shown, status=201)
        answer["Cache-Control"] = "no-store"
        return answer

    def _organization(self, request: Request) -> uuid.UUID:
        """The one that the body names, or the only one. 404 where it is somebody else's."""
        named = uuid_in(request, "organization")
        mine = list(self.actor.roles)
        if named is None and len(mine) == 1:
            return mine[0]
        if named is None:
            raise ValidationError({"organization": ["Name the organization by its id."]})
        if named not in mine:
            raise Http404
        return named


class TokenDetail(_Tokens, generics.RetrieveDestroyAPIView[Token]):
    """One token; DELETE revokes it, and closes what it holds open within two seconds."""

    @transaction.atomic
    def perform_destroy(self, instance: Token) -> None:
        scopes, organization = self.actor.scopes, instance.organization_id
        stronger = scopes is not None and not scopes.issuperset(instance.scopes)
        if stronger and not (organization and self.actor.may("admin", organization)):
            raise PermissionDenied("This token may do more than yours; revoke it by another.")
        instance.revoke()
        whose = f"of {instance.user}"
        note(self.request, Action.REVOKE_TOKEN, instance.name, instance.organization, detail=whose)
