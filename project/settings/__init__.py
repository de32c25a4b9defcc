"""Django settings, with `auth.py` and `rest.py`. All environment variables are optional."""

from pathlib import Path
from secrets import token_urlsafe

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF

from project.settings import environment as _env
from project.settings.auth import *  # noqa: F403
from project.settings.logging import LOGGING  # noqa: F401
from project.settings.rest import *  # noqa: F403
from project.settings.shared_stores import caches, channel_layers

django_stubs_ext.monkeypatch()  # generic Django classes take [types] at run time, too

BASE_DIR = Path(__file__).resolve().parent.parent.parent

# --- the installation -------------------------------------------------------------------------
DATA_DIR = _env.read("SIDELINE_DATA_DIR", _env.directory, str(BASE_DIR / "var"))
MEDIA_DIR = DATA_DIR / "media"
LISTEN_HOST = _env.read("SIDELINE_HOST", _env.listen_address, "127.0.0.1")
LISTEN_PORT = _env.read("SIDELINE_PORT", _env.port, "7103")
METRICS = _env.read("SIDELINE_METRICS", _env.endpoint)  # served without a credential
PUBLIC_URL = _env.read("SIDELINE_PUBLIC_URL", _env.public_url)
TRUSTED_ORIGINS = _env.read("SIDELINE_TRUSTED_ORIGINS", _env.origins)
TRUSTED_PROXIES = _env.read("SIDELINE_TRUSTED_PROXIES", _env.networks)
REDIS_URL = _env.read("REDIS_URL", _env.redis_url)
DEMO = _env.read("SIDELINE_DEMO", _env.flag, "1")
ALLOW_LOOPBACK_SOURCES = _env.read("SIDELINE_ALLOW_LOOPBACK_SOURCES", _env.flag, "0")
# host:port of cameras and model servers at addresses that are otherwise refused.
CAMERA_SERVERS = _env.read("SIDELINE_CAMERA_SERVERS", _env.host_ports)
VIDEO_DECODER = _env.read("SIDELINE_VIDEO_DECODER", _env.video_decoder)
MODEL_SERVERS = _env.read("SIDELINE_MODEL_SERVERS", _env.host_ports)
ANSWERS_AT_ONCE = _env.read("SIDELINE_ANSWERS_AT_ONCE", _env.number, "2000")  # in each process
# After this silence the process of an answer counts as dead.
ANSWER_SILENCE_S = _env.read("SIDELINE_ANSWER_SILENCE", _env.number, "60")
ADMIN_USERNAME = _env.read("SIDELINE_ADMIN_USERNAME", str)
ADMIN_PASSWORD = _env.read("SIDELINE_ADMIN_PASSWORD", str)
if bool(ADMIN_USERNAME) != bool(ADMIN_PASSWORD):
    raise _env.BadSetting(
        "SIDELINE_ADMIN_PASSWORD" if ADMIN_USERNAME else "SIDELINE_ADMIN_USERNAME",
        "set SIDELINE_ADMIN_USERNAME and SIDELINE_ADMIN_PASSWORD together, or neither.",
    )

SECRET_KEY = _env.read(
    "SIDELINE_SECRET_KEY", _env.secret, file=DATA_DIR / "secret.key", shortest=32
)
# Comma-separated: the first encrypts, all decrypt. To rotate, put a new key in front.
FIELD_KEYS = _env.read("SIDELINE_FIELD_KEY", _env.keys, file=DATA_DIR / "field.key", shortest=16)

# What our own processes that read cameras or migrate tables are given: not the administrator's
# password, the mail account or the key that signs links, in whose place they get a random one.
CHILD_ENVIRONMENT = _env.only(
    "SIDELINE_DATA_DIR",
    "SIDELINE_FIELD_KEY",
    "SIDELINE_CAMERA_SERVERS",
    "SIDELINE_ALLOW_LOOPBACK_SOURCES",
    "SIDELINE_VIDEO_DECODER",
    "DATABASE_URL",
) | {"SIDELINE_SECRET_KEY": token_urlsafe(48)}

DEBUG = False
ALLOWED_HOSTS = _env.read("SIDELINE_ALLOWED_HOSTS", _env.hosts) or _env.own_hosts(LISTEN_HOST)
if PUBLIC_URL is not None:
    ALLOWED_HOSTS.append(str(PUBLIC_URL.hostname))
    TRUSTED_ORIGINS.append(f"{PUBLIC_URL.scheme}://{PUBLIC_URL.netloc.lower()}")
    FORCE_SCRIPT_NAME = PUBLIC_URL.path.rstrip("/") or None
_root = (PUBLIC_URL.path.rstrip("/") if PUBLIC_URL is not None else "") + "/"

# --- Django -----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "knox",
    "axes",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "project",
    "project.accounts",
    "project.audit",
    "cameras",
    "chats",
]
MIDDLEWARE = [
    "project.http_metrics.count_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "project.middleware.PrivateResponses",
    "project.csp.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "project.accounts.views.lockout.LockoutMiddleware",
]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
APPEND_SLASH = False  # a redirect would turn a POST into a GET; both spellings are served
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "project.accounts.views.shell.shell",
            ]
        },
    }
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- data -------------------------------------------------------------------------------------
DATABASES = {
    "default": _env.read("DATABASE_URL", _env.database, file=DATA_DIR / "sideline.sqlite3")
}
CHANNEL_LAYERS = channel_layers(REDIS_URL)
CACHES = caches(REDIS_URL)

# --- static files -----------------------------------------------------------------------------
STATIC_URL = f"{_root}static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "project.storage.HashedStaticFiles"},
}
WHITENOISE_MAX_AGE = 0  # files without a hash in the name; the others are immutable

# --- mail -------------------------------------------------------------------------------------
_mail = _env.read("SIDELINE_EMAIL_URL", _env.mail_url)
DEFAULT_FROM_EMAIL = _env.read("SIDELINE_EMAIL_FROM", _env.mail_address)
MAIL = bool(_mail)
if MAIL:
    if PUBLIC_URL is None:  # a Host header must not choose where a link in a mail leads
        raise _env.BadSetting(
            "SIDELINE_EMAIL_URL", "it needs SIDELINE_PUBLIC_URL, for links in mails."
        )
    globals().update(_mail)
    EMAIL_TIMEOUT = 10
    DEFAULT_FROM_EMAIL = DEFAULT_FROM_EMAIL or f"Sideline <sideline@{PUBLIC_URL.hostname}>"
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# --- browser security -------------------------------------------------------------------------
_https = PUBLIC_URL is not None and PUBLIC_URL.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https  # secure cookies would lock out a plain LAN
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = _root
SESSION_COOKIE_NAME = "sideline_session"
CSRF_COOKIE_NAME = "sideline_csrf"
CSRF_TRUSTED_ORIGINS = TRUSTED_ORIGINS
CSRF_FAILURE_VIEW = "project.views.csrf_failure"
CORS_ALLOWED_ORIGINS = TRUSTED_ORIGINS
CORS_URLS_REGEX = r"^/(api/|chats/[^/]+/messages).*$"
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key", "last-event-id"]
CORS_EXPOSE_HEADERS = ["Content-Disposition", "Retry-After", "X-Age-Ms", "X-Timestamp"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = False  # the proxy redirects
# Off by default: HSTS covers every port of a host, so the seed's ws:// URLs would stop working.
SECURE_HSTS_SECONDS = _env.read("SIDELINE_HSTS_SECONDS", _env.number, "0", least=0, most=63_072_000)
if SECURE_HSTS_SECONDS and not _https:
    raise _env.BadSetting("SIDELINE_HSTS_SECONDS", "it needs SIDELINE_PUBLIC_URL to be https.")
CONTENT_SECURITY_POLICY = {  # see project/csp.py
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE],
        "style-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["sideline"],
    }
}
# actions/send takes 8 MiB of JPEG as base64; the server refuses larger bodies before they arrive.
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024

# Warnings of `check --deploy` about settings that are intended: see their comments.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W008", "security.W021"]
if not _https:
    SILENCED_SYSTEM_CHECKS += ["security.W012", "security.W016"]
