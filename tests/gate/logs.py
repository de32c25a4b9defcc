"""Rows for the parts of the admin that other test data leaves empty."""

from __future__ import annotations

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.models import Group

from project.audit.log import Action, log_action


def create_log_rows(username: str) -> None:
    """Create a sign-in of `username` in each log of Axes, a group, and an audit entry."""
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        extra = {"failures_since_start": 1} if model is AccessAttempt else {}
        model.objects.create(username=username, ip_address="192.0.2.8", **extra)
    Group.objects.create(name="Helpers")
    log_action(None, Action.TAKE_BACKUP, "week.tar")
