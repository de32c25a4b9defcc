"""Settings of how people and programs show who they are: passwords, sessions, tokens, tries."""

from datetime import timedelta

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
