"""Login and logout for programs: a bearer token in exchange for a password."""

from __future__ import annotations

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cameras.access import actor_of
from cameras.api.serializers import LoggedInSerializer, LoginSerializer
from cameras.models import Membership, Token, User


class Login(APIView):
    """A bearer token for one organization; no cookie is set."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(request=LoginSerializer, responses=LoggedInSerializer, auth=[])
    def post(self, request: Request) -> Response:
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        user = authenticate(
            request._request, username=given["username"], password=given["password"]
        )
        if not isinstance(user, User):
            raise AuthenticationFailed("The username or the password is wrong.")
        membership = self._membership(user, given.get("organization"))
        token, text = Token.for_sign_in(user, membership.organization, membership.role)
        slug = membership.organization.slug
        return Response({"token": text, "expiry": token.expiry, "organization": slug})

    def _membership(self, user: User, slug: str | None) -> Membership:
        memberships = Membership.objects.filter(user=user).select_related("organization")
        found = list(memberships.filter(organization__slug=slug) if slug else memberships)
        if len(found) == 1:
            return found[0]
        slugs = sorted(memberships.values_list("organization__slug", flat=True))
        if not slugs:
            raise ValidationError({"organization": ["You belong to no organization yet."]})
        raise ValidationError({"organization": [f"Name one of: {', '.join(slugs)}."]})

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Logout(APIView):
    """Revoke the bearer token that this request carries."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        kind, proof = actor_of(request).grant
        if kind != "token":
            raise ValidationError({"Authorization": ["Only a bearer token can be revoked here."]})
        Token.objects.get(digest=proof).revoke()
        return Response(status=204)
