"""A camera's organization cannot be changed over the API."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client

from cameras.models import Camera
from project.accounts.models import Membership, Organization, Role, Token, User

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_foreign_and_unknown_organizations_get_the_same_error(
    camera: Camera, admin: User, club: Organization
) -> None:
    foreign = Organization.objects.create(name="Foreign", slug="foreign")
    own = Organization.objects.create(name="Own", slug="own")
    Membership.objects.create(user=admin, organization=own, role=Role.ADMIN)
    _, text = Token.for_sign_in(admin, club, Role.ADMIN)

    def patch_organization(organization: object) -> tuple[int, bytes]:
        answer = Client().patch(
            f"/api/v1/cameras/{camera.pk}",
            {"organization": organization},
            content_type="application/json",
            headers={"Authorization": f"Bearer {text}"},
        )
        return answer.status_code, answer.content

    others = [foreign.pk, own.pk, uuid.uuid4(), "nonsense", 7, True]
    answers = {
        patch_organization(value if isinstance(value, int) else str(value)) for value in others
    }
    ((status, body),) = answers
    assert status == 400
    assert json.loads(body)["errors"].keys() == {"organization"}
    assert patch_organization(str(club.pk))[0] == 200
