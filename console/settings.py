"""All settings in one file. Each comes from one environment variable; a missing one stops the start with its name."""

import importlib
import logging
import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str | None = None) -> str:
    """The variable, or the contents of the file named by NAME_FILE, or the default; loud when there is none."""
    full = f"COUNTERSIGN_{name}"
    if full in os.environ:
        return os.environ[full]
    if f"{full}_FILE" in os.environ:
        return Path(os.environ[f"{full}_FILE"]).read_text().strip()
    if default is None:
        raise ImproperlyConfigured(f"Set {full} (or {full}_FILE). `python3 manage.py up` sets it for you.")
    return default


PROCESS = env("PROCESS", "command")
SERVING = {"web", "worker", "door", "beat", "publisher", "sequencer"}


# PostgreSQL keeps the plan of what a connection asks often: for our joins planning takes longer than answering.
PREPARED = {"server_side_binding": True, "prepare_threshold": 2}
# Requests have many threads: connections live in a pool, never in threads. After a burst it
# soon shrinks again: few connections that are used often have their plans and caches at hand.
POOL = {"min_size": 1, "max_size": 16, "timeout": 10, "max_idle": 5}


def database(url: str) -> dict[str, object]:
    """`postgresql://role:password@host:port/name?host=/socket/directory` as Django wants it."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured("COUNTERSIGN_DATABASE_URL must begin with postgresql://")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {**PREPARED, **({"pool": POOL} if PROCESS in SERVING else {}), **query},
        "TEST": {"TEMPLATE": "template0"},
    }


def identity_provider(slug: str) -> dict[str, str]:
    """An OpenID Connect provider. The last part of its variables' names is fixed, the middle is its own short name."""
    variables = f"OIDC_{slug.upper().replace('-', '_')}"
    return {
        "slug": slug,
        "name": env(f"{variables}_NAME", slug),
        "issuer": env(f"{variables}_ISSUER"),
        "client_id": env(f"{variables}_CLIENT_ID"),
        "secret": env(f"{variables}_CLIENT_SECRET"),
        "scopes": env(f"{variables}_SCOPES", "openid profile"),
    }


STATE_DIR = Path(env("STATE", str(BASE_DIR / ".countersign")))
ORIGIN = env("ORIGIN", "http://localhost:8000")
# Only the web process signs cookies and pages; the others are not given the key.
SECRET_KEY = env("SECRET_KEY", None if PROCESS == "web" else "signs-nothing-outside-the-web-process")
DEBUG = False
_origin = urlsplit(ORIGIN)
RP_ID = _origin.hostname or "localhost"
ALLOWED_HOSTS = [RP_ID]
CSRF_TRUSTED_ORIGINS = [ORIGIN]

# Keys are files, so that a process that does not need one does not have one.
CONSOLE_KEY_FILE = os.environ.get("COUNTERSIGN_CONSOLE_KEY_FILE", "")
CONSOLE_PUBLIC_FILE = os.environ.get("COUNTERSIGN_CONSOLE_PUBLIC_FILE", "")
DOOR_KEY = os.environ.get("COUNTERSIGN_DOOR_KEY", "")
DOOR_KEY_FILE = os.environ.get("COUNTERSIGN_DOOR_KEY_FILE", "")
DOOR_PUBLIC_FILE = os.environ.get("COUNTERSIGN_DOOR_PUBLIC_FILE", "")

# Where the log goes outside, and how long it may be known to nobody there before what is risky stops (0: any time).
PUBLISHING = env("PUBLISHING", "")
MAX_UNANCHORED = float(env("MAX_UNANCHORED", "0"))

# The EU AI Act, Art. 26(6), has deployers keep the logs of high-risk systems for at least six months.
RETENTION_MONTHS = int(env("RETENTION_MONTHS", "12"))
if RETENTION_MONTHS < 6:
    raise ImproperlyConfigured(
        f"COUNTERSIGN_RETENTION_MONTHS is {RETENTION_MONTHS}. Records are kept for at least 6 months: EU AI Act, 26(6)."
    )

# Where the signer listens; the sequencer alone asks it.
SIGNER_SOCKET = env("SIGNER_SOCKET", "")

DATABASES = {"default": database(env("DATABASE_URL", "postgresql://countersign_app@/countersign"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Of allauth.socialaccount the protocol is used and no row: who somebody is at a provider stands in a table of ours.
MIGRATION_MODULES = {"socialaccount": None}

# Apps beside the product, for example one that seeds data for newcomers. Each may bring `urls.py` and templates,
# which win over the product's own pieces of the same name.
EXTRA_APPS = [name for name in env("EXTRA_APPS", "").split(",") if name]

INSTALLED_APPS = [
    *EXTRA_APPS,
    "audit",
    "integrations",
    "approvals",
    "console.accounts",
    "console.traces",
    "console.notices",
    "console.workflows",
    "console.agents",
    "console.runs",
    "console.dispatch",
    "console.gateway",
    "console.shadow",
    "console.home",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "channels",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "console.home.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "console.accounts.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "console.accounts.middleware.SessionLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "console.accounts.middleware.ActorMiddleware",
    "console.home.middleware.Refusals",
]

ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [
            *(Path(str(importlib.import_module(name).__file__)).parent / "templates" for name in EXTRA_APPS),
            BASE_DIR / "templates",
        ],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "console.home.frame.frame",
            ],
            "builtins": ["console.home.templatetags.say"],
        },
    }
]

# Sign-in: allauth asks for the password and enrols passkeys; decisions are verified by accounts.passkeys alone.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "console.accounts.adapter.AccountAdapter"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_ADAPTER = "console.accounts.adapter.MFAAdapter"
MFA_FORMS = {
    "login_webauthn": "console.accounts.passkey_forms.Login",
    "authenticate_webauthn": "console.accounts.passkey_forms.Authenticate",
    "reauthenticate_webauthn": "console.accounts.passkey_forms.Reauthenticate",
    "add_webauthn": "console.accounts.passkey_forms.Add",
}
MFA_SUPPORTED_TYPES = ["webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# Sign-in by OpenID Connect: which providers there are, and what their claims give in which team.
OIDC_PROVIDERS = [identity_provider(slug) for slug in env("OIDC_PROVIDERS", "").split(",") if slug]
OIDC_MAPPING = env("OIDC_MAPPING", "")
SOCIALACCOUNT_ADAPTER = "console.accounts.openid.SocialAdapter"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

# Cookies travel only over TLS unless the console itself is served on plain http, as on a newcomer's localhost.
SECURE = _origin.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_NAME = "__Host-countersign" if SECURE else "countersign"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# A session ends so long after its sign-in, and so long after it was last used.
SESSION_HOURS = float(env("SESSION_HOURS", "12"))
SESSION_IDLE_MINUTES = float(env("SESSION_IDLE_MINUTES", "60"))
if SESSION_HOURS <= 0 or SESSION_IDLE_MINUTES <= 0:
    raise ImproperlyConfigured("COUNTERSIGN_SESSION_HOURS and COUNTERSIGN_SESSION_IDLE_MINUTES must be more than 0.")
SESSION_COOKIE_AGE = int(SESSION_HOURS * 3600)
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "console.home.views.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

STATIC_URL = "/static/"
STATIC_ROOT = env("STATIC_ROOT", "") or None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# Messages only wake; a peer that hangs must not hold a request, so publishing waits half a second and never retries.
CELERY_BROKER_URL = env("BROKER_URL", "redis://localhost:6379/0")
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 0.5 if PROCESS in {"web", "beat", "command"} else 5,
    "socket_timeout": 0.5 if PROCESS in {"web", "beat", "command"} else 15,
    "visibility_timeout": 3600,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "steps"
CELERY_TASK_ROUTES = {
    "approvals.tasks.publish": {"queue": "steps"},
    "approvals.tasks.*": {"queue": "actions"},
    "console.dispatch.tasks.*": {"queue": "steps"},
    "integrations.tasks.hear_listing": {"queue": "actions"},
    "integrations.tasks.wrap_credentials": {"queue": "actions"},
    "integrations.tasks.exchange_code": {"queue": "actions"},
    "integrations.tasks.run_health_test": {"queue": "actions"},
    "integrations.tasks.end_tokens": {"queue": "actions"},
    "integrations.tasks.judge_delivery": {"queue": "actions"},
    "integrations.tasks.thin_deliveries": {"queue": "actions"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# Whoever reaches the broker may wake the workers, not stop them, nor tell them what to refuse.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_DISABLE_RATE_LIMITS = True

CHANNEL_URL = env("CHANNEL_URL", "redis://localhost:6379/1")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [CHANNEL_URL], "prefix": "countersign"},
    }
}

# Software authenticators prove nothing about a person; only tests and newcomers' trials accept them.
AUTHENTICATOR_ROOTS = env("AUTHENTICATOR_ROOTS", "")
ALLOW_VIRTUAL_AUTHENTICATORS = env("ALLOW_VIRTUAL_AUTHENTICATORS", "") == "1"

# The door may speak to public addresses only; an installation lists here what else it trusts, as networks.
ALLOWED_NETWORKS = [net for net in env("ALLOWED_NETWORKS", "").split(",") if net]
# Programs on this machine that an admin may connect as MCP servers; see integrations/mcp/programs.py.
MCP_SERVERS = env("MCP_SERVERS", "")

# Notices by mail: the server that takes them. Only the door sends, so the others need no password.
MAIL_FROM = env("MAIL_FROM", "")
_mail_tls = env("MAIL_TLS", "starttls")
if _mail_tls not in {"starttls", "implicit", "none"}:
    raise ImproperlyConfigured("COUNTERSIGN_MAIL_TLS is starttls, implicit or none.")
EMAIL_HOST = env("MAIL_HOST", "")
EMAIL_PORT = int(env("MAIL_PORT", {"starttls": "587", "implicit": "465", "none": "25"}[_mail_tls]))
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail_tls == "starttls", _mail_tls == "implicit"
EMAIL_HOST_USER = env("MAIL_USER", "")
EMAIL_HOST_PASSWORD = env("MAIL_PASSWORD", "") if PROCESS == "door" else ""
EMAIL_TIMEOUT = 20  # seconds
if EMAIL_HOST and not MAIL_FROM:
    raise ImproperlyConfigured("Set COUNTERSIGN_MAIL_FROM: whom notices by mail are from.")
if EMAIL_HOST_USER and _mail_tls == "none":
    raise ImproperlyConfigured("COUNTERSIGN_MAIL_TLS is none: the password of COUNTERSIGN_MAIL_USER could be read.")

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG", "WARNING")},
    # A refused request is an answer, not a fault; faults are logged with their traceback.
    "loggers": {"django.request": {"level": "ERROR"}},
}
logging.captureWarnings(True)
