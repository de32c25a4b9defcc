"""All settings; the only place that reads the environment. Every variable is optional."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import dj_database_url
import django_stubs_ext
from csp.constants import NONCE, NONE, SELF

from project.environment import BadSetting, Environment, own_hosts

django_stubs_ext.monkeypatch()  # generic Django classes take [types] at run time, too

BASE_DIR = Path(__file__).resolve().parent.parent
_env = Environment()

# --- the installation -------------------------------------------------------------------------
DATA_DIR = _env.directory("SIDELINE_DATA_DIR", BASE_DIR / "var")
MEDIA_DIR = DATA_DIR / "media"
LISTEN_HOST = _env.listen_address("SIDELINE_HOST", "127.0.0.1")
LISTEN_PORT = _env.port("SIDELINE_PORT", 7103)
METRICS = _env.endpoint("SIDELINE_METRICS")  # no credential is asked for there
PUBLIC_URL = _env.public_url("SIDELINE_PUBLIC_URL")
TRUSTED_ORIGINS = _env.origins("SIDELINE_TRUSTED_ORIGINS")
TRUSTED_PROXIES = _env.networks("SIDELINE_TRUSTED_PROXIES")
REDIS_URL = _env.redis_url("REDIS_URL")
DEMO = _env.flag("SIDELINE_DEMO", default=True)
ALLOW_LOOPBACK_SOURCES = _env.flag("SIDELINE_ALLOW_LOOPBACK_SOURCES", default=False)
# Cameras and model servers at addresses of this machine or its network's own services: host:port.
CAMERA_SERVERS = _env.host_ports("SIDELINE_CAMERA_SERVERS")
MODEL_SERVERS = _env.host_ports("SIDELINE_MODEL_SERVERS")
ANSWERS_AT_ONCE = _env.number("SIDELINE_ANSWERS_AT_ONCE", 2000)  # in each process
ANSWER_SILENCE_S = _env.number("SIDELINE_ANSWER_SILENCE", 60)  # then its process counts as dead
ADMIN_USERNAME = _env.text("SIDELINE_ADMIN_USERNAME")
ADMIN_PASSWORD = _env.text("SIDELINE_ADMIN_PASSWORD")
if bool(ADMIN_USERNAME) != bool(ADMIN_PASSWORD):
    raise BadSetting(
        "SIDELINE_ADMIN_PASSWORD" if ADMIN_USERNAME else "SIDELINE_ADMIN_USERNAME",
        "set SIDELINE_ADMIN_USERNAME and SIDELINE_ADMIN_PASSWORD together, or neither.",
    )

SECRET_KEY = _env.secret("SIDELINE_SECRET_KEY", DATA_DIR / "secret.key", shortest=32)
# Comma-separated: the first seals, all open. So a key is rotated by putting a new one in front.
FIELD_KEYS = _env.keys("SIDELINE_FIELD_KEY", DATA_DIR / "field.key", shortest=16)

DEBUG = False
ALLOWED_HOSTS = _env.hosts("SIDELINE_ALLOWED_HOSTS") or own_hosts(LISTEN_HOST)
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
    "cameras",
    "chats",
    "project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "project.policy.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "cameras.views.lockout.Busy",
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
                "cameras.views.frame.shell",
            ]
        },
    }
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- data -------------------------------------------------------------------------------------
try:
    _database = dict(
        dj_database_url.parse(_env.text("DATABASE_URL") or f"sqlite:///{DATA_DIR}/sideline.sqlite3")
    )
except ValueError as _error:
    raise BadSetting(
        "DATABASE_URL", f"expected postgres://user:password@host/name: {_error}"
    ) from None
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    # Persistent connections leak under ASGI; psycopg's pool does not.
    _given: Any = _database.get("OPTIONS", {})  # by the URL: sslmode, say
    _database["OPTIONS"] = {**_given, "pool": {"min_size": 1, "max_size": 8, "timeout": 10}}
else:
    raise BadSetting("DATABASE_URL", "only sqlite and postgres are supported.")
DATABASES: dict[str, Any] = {"default": _database}

# A group's member is forgotten after a day, by the wall clock; a feed joins once, and stays.
_FOR_EVER = {"expiry": 10**10, "group_expiry": 10**10}
if REDIS_URL:
    _parts = urlsplit(REDIS_URL)
    # RESP3 makes redis-py build a text of every frame; pub/sub on RESP2 costs a third of it.
    _query = "&".join(filter(None, (_parts.query, urlencode({"protocol": 2}))))
    _layer_url = urlunsplit(_parts._replace(query=_query))
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "cameras.live.layer.FrameLayer",
            "CONFIG": {"hosts": [{"address": _layer_url, "max_connections": 1000}]},
        }
    }
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
else:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": _FOR_EVER}
    }
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- static files -----------------------------------------------------------------------------
STATIC_URL = f"{_root}static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "project.storage.HashedStaticFiles"},
}
WHITENOISE_MAX_AGE = 0  # what has no hash in its name; hashed files are immutable

# --- people and credentials -------------------------------------------------------------------
AUTH_USER_MODEL = "cameras.User"
KNOX_TOKEN_MODEL = "cameras.Token"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# The first hashes; what the others have hashed is hashed anew when its owner signs in.
PASSWORD_HASHERS = [
    "cameras.hashing.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
PASSWORD_RESET_TIMEOUT = 3600
SESSION_ENGINE = "cameras.session_store"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "wall"
LOGOUT_REDIRECT_URL = "signin"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "cameras.attempts.Counter"  # has a limit for addresses, too
AXES_CLIENT_IP_CALLABLE = "cameras.attempts.network_of"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # the audit log has it
AXES_LOCKOUT_CALLABLE = "cameras.views.lockout.locked_out"
AXES_VERBOSE = False
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": timedelta(days=7)}

# --- mail -------------------------------------------------------------------------------------
_mail = _env.mail_url("SIDELINE_EMAIL_URL")
DEFAULT_FROM_EMAIL = _env.mail_address("SIDELINE_EMAIL_FROM")
MAIL = _mail is not None
if _mail is not None:
    if PUBLIC_URL is None:  # a Host header must not choose where a link in a mail leads
        raise BadSetting("SIDELINE_EMAIL_URL", "it needs SIDELINE_PUBLIC_URL, for links in mails.")
    EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.tls, _mail.starttls
    EMAIL_TIMEOUT = 10
    DEFAULT_FROM_EMAIL = DEFAULT_FROM_EMAIL or f"Sideline <sideline@{PUBLIC_URL.hostname}>"
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# --- what a browser may do --------------------------------------------------------------------
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
CORS_EXPOSE_HEADERS = ["Retry-After"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = False  # the proxy's office
# HSTS covers every port of a host, so the seed's ws:// would break: only for who asks for it.
SECURE_HSTS_SECONDS = _env.number("SIDELINE_HSTS_SECONDS", 0, least=0, most=63_072_000)
if SECURE_HSTS_SECONDS and not _https:
    raise BadSetting("SIDELINE_HSTS_SECONDS", "it needs SIDELINE_PUBLIC_URL to be https.")
CONTENT_SECURITY_POLICY = {  # see project/policy.py
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

# --- the API ----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "cameras.access.BearerAuthentication",  # first: DRF takes the 401 challenge from it
        "cameras.access.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "cameras.api.pages.Whatever",
    "DEFAULT_PARSER_CLASSES": ["cameras.api.pages.FlatJSON"],
    "DEFAULT_PAGINATION_CLASS": "cameras.api.pages.ByCursor",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "cameras.api.problems.as_problem",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sideline",
    "VERSION": "1",
    "DESCRIPTION": "Live cameras, and an assistant that has watched them.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cameras.api.schema.add_streams",
        "chats.api.schema.add_streams",
        "cameras.api.refusals.add_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CameraKind": "cameras.models.cameras.Kind",
        "Role": "cameras.models.organizations.Role",
        "MessageRole": "chats.models.messages.Role",
        "MessageStatus": "chats.models.messages.Status",
    },
}

# --- log --------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "project.logs.RedactingFormatter",
            "format": "{asctime} {levelname:<7} {name}: {message}",
            "style": "{",
        }
    },
    "filters": {"brief": {"()": "project.logs.OthersFaults"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["brief"]}
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "cameras": {"level": "INFO"},
        "chats": {"level": "INFO"},
        "httpx": {"level": "WARNING"},
        "project": {"level": "INFO"},
        "daphne": {"level": "WARNING"},
        "django.server": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
    },
}

# What `check --deploy` warns of and this installation means: see the comments beside each.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W008", "security.W021"]
if not _https:
    SILENCED_SYSTEM_CHECKS += ["security.W012", "security.W016"]
