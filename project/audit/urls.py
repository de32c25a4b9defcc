"""URLs of an organization's audit log."""

from django.urls import path

from project.audit import views

urlpatterns = [
    path("organizations/<slug:slug>/audit", views.audit, name="audit"),
    path("organizations/<slug:slug>/audit.csv", views.audit_file, name="audit-file"),
]
