"""Preparation of an installation: migrations, static files, an administrator, the demo."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from cameras.models import Camera, Kind
from project.accounts.models import Membership, Organization, Role, User
from project.database.tables import has_pending_migrations, require_released_data
from project.settings.environment import BadSetting

ADVISORY_LOCK = 7103  # an arbitrary number


def page_url(path: str = "") -> str:
    """Return the URL of a page for a person on this machine or behind the proxy.

    `path` is a result of `reverse()`.
    """
    if settings.PUBLIC_URL is not None:
        origin = f"{settings.PUBLIC_URL.scheme}://{settings.PUBLIC_URL.netloc}"
        return origin + (path or settings.PUBLIC_URL.path.rstrip("/") + "/")
    host = settings.LISTEN_HOST
    if host in ("0.0.0.0", "::"):  # nosec B104  # compared, not bound
        host = "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.LISTEN_PORT}{path or '/'}"


def prepare(tell: Callable[[str], object] = str) -> None:
    """Create or update tables, static files, the media folder and an administrator.

    On the first start, also create the demo organization, if the settings want it. `tell` is
    called before each step that takes a while.
    """
    settings.MEDIA_DIR.mkdir(parents=True, exist_ok=True)
    with _exclusive():
        require_released_data()
        if has_pending_migrations():  # `migrate` takes 0.5 s even if there is nothing to do
            tell("Making the tables of the database ...")
            call_command("migrate", interactive=False, verbosity=0)
        if _is_static_outdated():
            tell("Collecting the files of the pages ...")
            call_command("collectstatic", interactive=False, verbosity=0)
        _ensure_configured_administrator()  # hashing is slow: not inside a transaction
        with transaction.atomic():
            superusers = ensure_superusers()
            if settings.DEMO and not Organization.objects.exists():
                _create_demo(superusers)


@contextlib.contextmanager
def in_use(how: int, refusal: str) -> Iterator[None]:
    """Hold a lock on the data folder: `LOCK_SH` for servers, `LOCK_EX` for a restore.

    It is released when the process ends. Raises `CommandError` with the refusal if another process
    holds it. On PostgreSQL, a restore also counts connections, for servers on other machines.
    """
    with (settings.DATA_DIR / "serving.lock").open("w") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(refusal) from None
        yield


@contextlib.contextmanager
def _exclusive() -> Iterator[None]:
    """Serialize processes that start at once on one data folder or one PostgreSQL database."""
    with (settings.DATA_DIR / "prepare.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _is_static_outdated() -> bool:
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if not manifest.exists():
        return True
    sources = [settings.BASE_DIR / "requirements.txt", *(settings.BASE_DIR / "static").rglob("*")]
    return max(path.stat().st_mtime for path in sources) > manifest.stat().st_mtime


def _ensure_configured_administrator() -> None:
    if not settings.ADMIN_USERNAME:
        return
    name = settings.ADMIN_USERNAME
    user = User.objects.filter(username=name).first() or User(username=name)
    if not user.is_superuser or not user.has_usable_password():
        try:
            validate_password(settings.ADMIN_PASSWORD, user)
        except ValidationError as error:
            raise BadSetting("SIDELINE_ADMIN_PASSWORD", " ".join(error.messages)) from None
        user.is_staff = user.is_superuser = True
        user.set_password(settings.ADMIN_PASSWORD)
        try:
            user.save()
        except ValidationError as error:
            raise BadSetting("SIDELINE_ADMIN_USERNAME", " ".join(error.messages)) from None


def _create_demo(superusers: list[User]) -> None:
    organization = Organization.objects.create(name="Demo club", slug="demo-club")
    # Only persons: in this clip the detector takes a stone for a dog.
    Camera.objects.create(
        organization=organization, name="Plaza", kind=Kind.DEMO, classes=["person"]
    )
    for user in superusers:
        Membership.objects.create(user=user, organization=organization, role=Role.ADMIN)


def ensure_superusers() -> list[User]:
    """Return the superusers. If there is none, create `admin`, without a usable password."""
    superusers = list(
        User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined")
    )
    if superusers:
        return superusers
    try:
        user, is_new = User.objects.get_or_create(username="admin")
    except ValidationError as error:  # another user's name looks like it
        raise BadSetting(
            "SIDELINE_ADMIN_USERNAME",
            f"name an administrator: there is none, and “admin” is not free. {error.messages[0]}",
        ) from None
    if is_new:
        user.set_unusable_password()
    user.is_staff = user.is_superuser = user.is_active = True
    user.save()
    return [user]


def first_user_without_passwords() -> User | None:
    """Return the user for the sign-in link printed at start; None once any user has a password."""
    users = list(User.objects.filter(is_active=True).order_by("-is_superuser", "date_joined"))
    if not users or any(user.has_usable_password() for user in users):
        return None
    return users[0]
