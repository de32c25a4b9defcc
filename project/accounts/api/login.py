"""Login and logout for programs: a bearer token in exchange for a password."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from project.accounts.access import actor_of
from project.accounts.api.serializers import LoggedInSerializer, LoginSerializer
from project.accounts.models import Membership, SecondFactor, Token, User
from project.accounts.models.second_factor import Paused
from project.accounts.throttling.attempts import failed, forgive
from project.addresses import address_text
from project.audit.askers import Asker
from project.audit.log import Action, note
from project.audit.sign_ins import DOORS
from project.problems import PROBLEM_TYPE, problem_body

API = DOORS["api-login"]


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
        with transaction.atomic():  # a code is used up only where there is a token for it
            refusal = self._second_step(request, user, given.get("code", ""))
            if refusal is not None:
                return refusal
            membership = self._membership(user, given.get("organization"))
        forgive(request._request, user.username)
        organization = membership.organization
        with transaction.atomic():
            token, text = Token.for_sign_in(user, organization, membership.role)
            asker = Asker(user, ("token", token.digest), address_text(request.META["REMOTE_ADDR"]))
            note(asker, Action.SIGN_IN, user.get_username(), organization, detail=API)
        slug = organization.slug
        return Response({"token": text, "expiry": token.expiry, "organization": slug})

    def _second_step(self, request: Request, user: User, code: str) -> Response | None:
        """What to answer where the person is asked for a code, and it is not there or not right."""
        if not SecondFactor.is_on(user):
            return None
        if not code:
            return _refusal(
                "This account has a second factor: send the present code of its app as `code`.",
                second_factor="required",
            )
        try:
            if SecondFactor.accepts(user, code):
                return None
        except Paused as pause:
            said = "There were too many wrong codes. Try again later."
            answer = Response(problem_body(429, said), status=429, content_type=PROBLEM_TYPE)
            answer["Retry-After"] = str(pause.seconds)
            return answer
        failed(request._request, user.username)
        return _refusal("That code is wrong, or it was used before.", second_factor="wrong")

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


def _refusal(detail: str, **more: str) -> Response:
    answer = Response(problem_body(401, detail, **more), status=401, content_type=PROBLEM_TYPE)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


class Logout(APIView):
    """Revoke the bearer token that this request carries."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        kind, proof = actor_of(request).grant
        if kind != "token":
            raise ValidationError({"Authorization": ["Only a bearer token can be revoked here."]})
        token = Token.objects.select_related("organization").get(digest=proof)
        with transaction.atomic():
            note(request, Action.SIGN_OUT, token.name, token.organization, detail=API)
            token.revoke()
        return Response(status=204)
