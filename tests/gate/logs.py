"""Rows that the admin shows, and that no page of ours makes."""

from __future__ import annotations

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.models import Group

from project.audit.log import Action, note


def log_everything(username: str) -> None:
    """Sign-ins as `username` in each of the logs of axes, a group, and a deed in the audit log."""
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        more = {"failures_since_start": 1} if model is AccessAttempt else {}
        model.objects.create(username=username, ip_address="192.0.2.8", **more)
    Group.objects.create(name="Helpers")
    note(None, Action.TAKE_BACKUP, "week.tar")
