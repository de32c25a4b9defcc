"""What a fresh installation needs before someone can use it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from cameras.models import Camera, Kind
from project.accounts.models import Membership, Organization, Role, User
from project.settings.environment import BadSetting

ADVISORY_LOCK = 7103  # any number that is ours


def address(path: str = "") -> str:
    """Where a person opens the product; `path` as `reverse()` gives it."""
    if settings.PUBLIC_URL is not None:
        origin = f"{settings.PUBLIC_URL.scheme}://{settings.PUBLIC_URL.netloc}"
        return origin + (path or settings.PUBLIC_URL.path.rstrip("/") + "/")
    host = settings.LISTEN_HOST
    if host in ("0.0.0.0", "::"):  # nosec B104  # compared, not bound
        host = "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.LISTEN_PORT}{path or '/'}"


def is_behind() -> bool:
    """True where a migration waits to be applied."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


UNRELEASED = (
    "This data is of a version from before the first release, which this one cannot read. Start "
    "with an empty data folder (SIDELINE_DATA_DIR) and an empty database (DATABASE_URL). Nothing "
    "was changed here."
)


def is_unreleased(migrations: Iterable[str]) -> bool:
    """True where these applied migrations (`app.name`) began before those of the first release."""
    known = set(migrations)
    return "accounts.0001_initial" not in known and any(
        name.startswith("cameras.") for name in known
    )


def must_be_released() -> None:
    """Raise `CommandError` where the database is of a version from before the first release."""
    applied = MigrationRecorder(connection).applied_migrations()
    if is_unreleased(f"{app}.{name}" for app, name in applied):
        raise CommandError(UNRELEASED)


def prepare() -> None:
    """Tables, static files, the media folder, an administrator, and on first start the demo."""
    settings.MEDIA_DIR.mkdir(parents=True, exist_ok=True)
    with _alone():
        must_be_released()
        if is_behind():  # the command itself takes half a second to find nothing
            call_command("migrate", interactive=False, verbosity=0)
        if _static_is_behind():
            call_command("collectstatic", interactive=False, verbosity=0)
        _administrator_of_the_settings()  # a hash takes its time: no lock is held
        with transaction.atomic():
            people = owners()
            if settings.DEMO and not Organization.objects.exists():
                _demo(people)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Several processes may start at once, on one data folder or one PostgreSQL: one prepares."""
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


def _static_is_behind() -> bool:
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if not manifest.exists():
        return True
    sources = [settings.BASE_DIR / "requirements.txt", *(settings.BASE_DIR / "static").rglob("*")]
    return max(path.stat().st_mtime for path in sources) > manifest.stat().st_mtime


def _administrator_of_the_settings() -> None:
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
        user.save()


def _demo(people: list[User]) -> None:
    organization = Organization.objects.create(name="Demo club", slug="demo-club")
    # People only: in this clip the weights take a stone for a dog.
    Camera.objects.create(
        organization=organization, name="Plaza", kind=Kind.DEMO, classes=["person"]
    )
    for user in people:
        Membership.objects.create(user=user, organization=organization, role=Role.ADMIN)


def owners() -> list[User]:
    """Superusers; one named `admin`, without a password, where there is none yet."""
    found = list(User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined"))
    if found:
        return found
    user, made = User.objects.get_or_create(username="admin")
    if made:
        user.set_unusable_password()
    user.is_staff = user.is_superuser = user.is_active = True
    user.save()
    return [user]


def owner_without_password() -> User | None:
    """Whom a link at the start may sign in: only while nobody at all has a password."""
    people = list(User.objects.filter(is_active=True).order_by("-is_superuser", "date_joined"))
    if not people or any(person.has_usable_password() for person in people):
        return None
    return people[0]
