"""One deed, written down where it is done."""

from __future__ import annotations

from cameras.actors import Actor
from cameras.audit.actions import Action
from cameras.audit.askers import Asker, Way, words_for
from cameras.audit.lines import line
from cameras.models import AuditEntry, Camera, Organization, User


def note(
    way: Way | Asker | None,
    action: Action,
    subject: object,
    organization: Organization | None = None,
    *,
    camera: Camera | None = None,
    actor: Actor | None = None,
    detail: str = "",
) -> None:
    """Write down that who is behind `way` did something to `subject`.

    `way` is the request (of a page, of the API, of the admin), a socket's scope, an `Asker`, or
    None for a command. `actor` is what the door found, where the request itself does not know: in
    async views and sockets. A `camera` brings its organization along. Never put a secret or a
    prompt into `subject` (200 characters) or `detail` (300).

    Synchronous: one INSERT. Call it inside the transaction of the deed, so that there is neither
    without the other; where it raises, the deed has not been done.
    """
    asker = way if isinstance(way, Asker) else Asker.of(way, actor)
    if camera is not None and organization is None:
        organization = camera.organization
    AuditEntry.objects.create(
        **asker.facts(words_for([asker.credential])),
        organization=organization,
        organization_name=organization.name if organization else "",
        action=action,
        subject=line(subject, 200),
        camera_id=camera.pk if camera else None,
        detail=line(detail, 300),
    )


def home_of(user: User | None) -> Organization | None:
    """A person's organization, where there is exactly one: its administrators see the entry."""
    homes = list(Organization.objects.filter(memberships__user=user)[:2]) if user else []
    return homes[0] if len(homes) == 1 else None
