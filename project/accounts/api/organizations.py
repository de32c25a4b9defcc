"""Organizations over REST."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import generics

from project.accounts.api.serializers import OrganizationSerializer
from project.accounts.api.views import WithActor
from project.accounts.models import Organization


class OrganizationList(WithActor, generics.ListAPIView[Organization]):
    """The organizations in which the actor may read."""

    serializer_class = OrganizationSerializer

    def get_queryset(self) -> QuerySet[Organization]:
        return Organization.objects.visible_to(self.actor)


class OrganizationDetail(WithActor, generics.RetrieveAPIView[Organization]):
    """One organization."""

    serializer_class = OrganizationSerializer

    def get_queryset(self) -> QuerySet[Organization]:
        return Organization.objects.visible_to(self.actor)
