"""Login and logout over REST: a bearer token in exchange for a password."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from project.accounts.access import actor_for_request
from project.accounts.api.serializers import LoggedInSerializer, LoginSerializer
from project.accounts.credentials import Credential
from project.accounts.models import Membership, SecondFactor, Token, User
from project.accounts.models.second_factor import Paused
from project.accounts.throttling.attempts import clear_failures, record_failure
from project.addresses import normalize_address
from project.audit.failed_sign_ins import SIGN_IN_METHODS
from project.audit.log import Action, log_action
from project.audit.requesters import Requester
from project.problems import PROBLEM_TYPE, problem_body

API = SIGN_IN_METHODS["api-login"]


class Login(APIView):
    """Issue a bearer token for one organization. No cookie is set."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(request=LoginSerializer, responses=LoggedInSerializer, auth=[])
    def post(self, request: Request) -> Response:
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        user = authenticate(request._request, username=data["username"], password=data["password"])
        if not isinstance(user, User):
            raise AuthenticationFailed("The username or the password is wrong.")
        with transaction.atomic():  # without a token, no code is used up
            refusal = self._check_second_factor(request, user, data.get("code", ""))
            if refusal is not None:
                return refusal
            membership = self._membership(user, data.get("organization"))
        clear_failures(request._request, user.username)
        organization = membership.organization
        with transaction.atomic():
            token, text = Token.for_sign_in(user, organization, membership.role)
            requester = Requester(
                user,
                Credential("token", token.digest),
                normalize_address(request.META["REMOTE_ADDR"]),
            )
            log_action(requester, Action.SIGN_IN, user.get_username(), organization, detail=API)
        slug = organization.slug
        return Response({"token": text, "expiry": token.expiry, "organization": slug})

    def _check_second_factor(self, request: Request, user: User, code: str) -> Response | None:
        """Return a refusal if the user needs a code and it is missing or wrong; else None."""
        if not SecondFactor.is_on(user):
            return None
        if not code:
            return _refusal(
                "This account has a second factor: send the present code of its app as `code`.",
                second_factor="required",
            )
        try:
            if SecondFactor.verify(user, code):
                return None
        except Paused as pause:
            body = problem_body(429, "There were too many wrong codes. Try again later.")
            response = Response(body, status=429, content_type=PROBLEM_TYPE)
            response["Retry-After"] = str(pause.seconds)
            return response
        record_failure(request._request, user.username)
        return _refusal("That code is wrong, or it was used before.", second_factor="wrong")

    def _membership(self, user: User, slug: str | None) -> Membership:
        """Return the membership in `slug`, or the only one. Raises `ValidationError`."""
        memberships = Membership.objects.filter(user=user).select_related("organization")
        candidates = list(memberships.filter(organization__slug=slug) if slug else memberships)
        if len(candidates) == 1:
            return candidates[0]
        slugs = sorted(memberships.values_list("organization__slug", flat=True))
        if not slugs:
            raise ValidationError({"organization": ["You belong to no organization yet."]})
        raise ValidationError({"organization": [f"Name one of: {', '.join(slugs)}."]})

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _refusal(detail: str, **more: str) -> Response:
    response = Response(problem_body(401, detail, **more), status=401, content_type=PROBLEM_TYPE)
    response["WWW-Authenticate"] = "Bearer"
    return response


class Logout(APIView):
    """Revoke the bearer token that this request carries."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        credential = actor_for_request(request).credential
        if credential.kind != "token":
            raise ValidationError({"Authorization": ["Only a bearer token can be revoked here."]})
        token = Token.objects.select_related("organization").get(digest=credential.id)
        with transaction.atomic():
            log_action(request, Action.SIGN_OUT, token.name, token.organization, detail=API)
            token.revoke()
        return Response(status=204)
