"""Settings: valid values, invalid ones, and their table in docs/settings.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import project.settings
from project.settings.environment import BadSetting
from tests import ROOT
from tests.installation import Installation
from tests.project.configured import settings_of

TABLE = (ROOT / "docs" / "settings.md").read_text()
LONG = "a-key-of-more-than-32-characters-for-tests"

BAD = [
    ("SIDELINE_HOST", "no such host"),
    ("SIDELINE_HOST", "http://127.0.0.1"),
    ("SIDELINE_PORT", "0"),
    ("SIDELINE_PORT", "70000"),
    ("SIDELINE_PORT", "7103/tcp"),
    ("SIDELINE_METRICS", "0"),
    ("SIDELINE_METRICS", "70000"),
    ("SIDELINE_METRICS", ":"),
    ("SIDELINE_METRICS", "127.0.0.1"),
    ("SIDELINE_METRICS", "127.0.0.1:"),
    ("SIDELINE_METRICS", "no such host:9103"),
    ("SIDELINE_DATA_DIR", "/dev/null/data"),
    ("SIDELINE_SECRET_KEY", "short"),
    ("SIDELINE_ALLOWED_HOSTS", "cameras.example.org,https://cameras.example.org"),
    ("SIDELINE_TRUSTED_ORIGINS", "cameras.example.org"),
    ("SIDELINE_TRUSTED_ORIGINS", "https://cameras.example.org/page"),
    ("SIDELINE_TRUSTED_ORIGINS", "https://cameras.example.org:port"),
    ("SIDELINE_ADMIN_USERNAME", ""),  # while the password is set
    ("SIDELINE_ADMIN_PASSWORD", ""),  # while the name is set
    ("SIDELINE_DEMO", "yes"),
    ("SIDELINE_ALLOW_LOOPBACK_SOURCES", "true"),
    ("SIDELINE_PUBLIC_URL", "cameras.example.org"),
    ("SIDELINE_PUBLIC_URL", "ftp://cameras.example.org"),
    ("SIDELINE_PUBLIC_URL", "https://keeper:hunter2@cameras.example.org"),
    ("SIDELINE_PUBLIC_URL", "https://cameras.example.org/?page=1"),
    ("SIDELINE_TRUSTED_PROXIES", "proxy.example.org"),
    ("SIDELINE_TRUSTED_PROXIES", "10.0.0.1/99"),
    ("SIDELINE_VIDEO_DECODER", "vaapi"),
    ("SIDELINE_CAMERA_SERVERS", "rtsp://127.0.0.1:8554"),
    ("SIDELINE_MODEL_SERVERS", "127.0.0.1"),
    ("SIDELINE_MODEL_SERVERS", "http://127.0.0.1:11434"),
    ("SIDELINE_EMAIL_URL", "mail.example.org"),
    ("SIDELINE_EMAIL_URL", "smtp://mail.example.org:port"),
    ("SIDELINE_EMAIL_URL", "smtp://mail.example.org"),  # without SIDELINE_PUBLIC_URL
    ("SIDELINE_EMAIL_FROM", "nobody"),
    ("SIDELINE_ANSWERS_AT_ONCE", "0"),
    ("SIDELINE_ANSWER_SILENCE", "a minute"),
    ("SIDELINE_FIELD_KEY", "short"),
    ("SIDELINE_FIELD_KEY", f",{LONG}"),
    ("SIDELINE_FIELD_KEY", f"{LONG},short"),
    ("DATABASE_URL", "sideline"),
    ("DATABASE_URL", "mysql://keeper:hunter2@127.0.0.1/sideline"),
    ("DATABASE_URL", "postgres://keeper:hunter2@127.0.0.1:port/sideline"),
    ("REDIS_URL", "127.0.0.1:6379"),
    ("REDIS_URL", "http://127.0.0.1:6379"),
    ("REDIS_URL", "redis://keeper:hunter2@127.0.0.1:port/0"),
]


def test_all_settings_can_be_set_and_all_are_optional(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = settings_of(
        folder,
        monkeypatch,
        SIDELINE_HOST="127.0.0.1",
        SIDELINE_PORT="8080",
        SIDELINE_METRICS="[::1]:9103",
        SIDELINE_SECRET_KEY=LONG,
        SIDELINE_ALLOWED_HOSTS="cameras.example.org,.example.net,192.168.1.5",
        SIDELINE_TRUSTED_ORIGINS="https://pages.example.org,http://localhost:3000",
        SIDELINE_ADMIN_USERNAME="keeper",
        SIDELINE_ADMIN_PASSWORD="a-long-test-password",
        SIDELINE_DEMO="0",
        SIDELINE_ALLOW_LOOPBACK_SOURCES="1",
        SIDELINE_PUBLIC_URL="https://watch.example.org/sideline/",
        SIDELINE_TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8,::1",
        SIDELINE_FIELD_KEY=f"{LONG}, {LONG[::-1]}",
        SIDELINE_CAMERA_SERVERS="[0:0::1]:8554",
        SIDELINE_MODEL_SERVERS="127.0.0.1:11434, Models.example.org:443",
        SIDELINE_EMAIL_URL="smtps://keeper:hunt%40er2@mail.example.org",
        SIDELINE_EMAIL_FROM="Club <cameras@example.org>",
        SIDELINE_ANSWERS_AT_ONCE="10",
        SIDELINE_ANSWER_SILENCE="5",
        DATABASE_URL="postgres://keeper:hunter2@127.0.0.1:5433/sideline",
        REDIS_URL="redis://127.0.0.1:6379/0",
    )
    assert configured["LISTEN_PORT"] == 8080
    assert configured["METRICS"] == ("::1", 9103)
    assert configured["CAMERA_SERVERS"] == {"[::1]:8554"}
    assert configured["MODEL_SERVERS"] == {"127.0.0.1:11434", "models.example.org:443"}
    assert {"cameras.example.org", "watch.example.org"} <= set(configured["ALLOWED_HOSTS"])
    assert "https://watch.example.org" in configured["CSRF_TRUSTED_ORIGINS"]
    assert configured["STATIC_URL"] == "/sideline/static/"
    assert (configured["EMAIL_HOST"], configured["EMAIL_PORT"]) == ("mail.example.org", 465)
    assert (configured["EMAIL_HOST_PASSWORD"], configured["EMAIL_USE_SSL"]) == ("hunt@er2", True)
    assert configured["SESSION_COOKIE_SECURE"] is True
    assert configured["DATABASES"]["default"]["PORT"] == 5433
    defaults = settings_of(folder, monkeypatch)
    assert (defaults["LISTEN_HOST"], defaults["LISTEN_PORT"]) == ("127.0.0.1", 7103)
    assert defaults["METRICS"] is None
    assert defaults["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={value}" for name, value in BAD])
def test_bad_value_is_refused_with_a_sentence_that_names_the_setting(
    name: str, value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = {"SIDELINE_ADMIN_USERNAME": "keeper", "SIDELINE_ADMIN_PASSWORD": "a-long-test-password"}
    with pytest.raises(BadSetting) as refused:
        settings_of(folder, monkeypatch, **admin | {name: value})
    sentence = str(refused.value)
    assert name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "hunter2" not in sentence, "the sentence contains a password"


@pytest.mark.parametrize("command", [("check",), ("serve", "--prepare")], ids=" ".join)
def test_bad_value_stops_the_start_with_one_line(command: tuple[str, ...], folder: Path) -> None:
    installation = Installation(folder, SIDELINE_PORT="70000")
    assert installation.spawn(*command).wait(60) != 0
    (line,) = installation.logged().splitlines()
    assert line.startswith("SIDELINE_PORT: ")


def test_documentation_lists_every_setting_and_no_other() -> None:
    settings = (ROOT / "project" / "settings" / "__init__.py").read_text()
    read = re.findall(r"_env\.read\(\s*\"(\w+)\"", settings)
    table = [line for line in TABLE.splitlines() if line.startswith("| `")]
    listed = re.findall(r"`([A-Z]+_[A-Z_]+)`", "\n".join(line.split("|")[1] for line in table))
    assert sorted(set(read)) == sorted(listed)


def test_settings_take_no_other_names_from_their_parts() -> None:
    assert not hasattr(project.settings, "timedelta")
