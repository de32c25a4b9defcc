"""Requests made of the API's own description: sent for real, and held against what it promises."""

from __future__ import annotations

import contextlib
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.installation import Installation
from tests.parcels import now, picture
from tests.people import Person

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]
ENDLESS = ("text/event-stream", "multipart/x-mixed-replace")
ENDLESS_BYTES = 64 * 1024
ENDLESS_S = 1.0  # of a stream that has no end by itself
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@dataclass(slots=True)
class Known:
    """Real ids by the part of a path that they stand behind, and what bodies may name."""

    ids: dict[str, list[str]]
    chats: dict[str, list[list[str]]]  # by their owner's username: chat, prompt, answer
    organizations: list[str]
    cameras: list[str]
    names: list[str]  # of cameras, as `actions/send` takes them
    spare: list[str]  # tokens to sign out with


@dataclass(slots=True)
class Tally:
    """What was sent and answered, and what was wrong with it."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    cut: set[str] = field(default_factory=set)  # answers that were not read to their end
    faults: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        found: Counter[int] = Counter()
        for (_, status), count in self.answers.items():
            found[status] += count
        return f"{self.answers.total()} requests {dict(sorted(found.items()))}"

    def statuses(self, operation: str) -> set[int]:
        return {status for asked, status in self.answers if asked == operation}

    def fault(self, operation: str, text: str) -> None:
        """The first of each kind is kept."""
        kind = " ".join(text.split()[:12])
        self.faults.setdefault(f"{operation}: {kind}", text)


class Described:
    """An installation seen through its description."""

    def __init__(self, installation: Installation, known: Known) -> None:
        load_all_checks()
        text = requests.get(f"{installation.url}/api/schema/?format=json", timeout=20).json()
        self.url = installation.url
        self.known = known
        self.schema = schemathesis.openapi.from_dict(text)
        found = [result.ok() for result in self.schema.get_all_operations()]
        # What takes away comes last, and what takes the credential away at the very end.
        self.operations = sorted(
            found, key=lambda one: (one.path.endswith("/logout"), one.method == "delete")
        )

    def fuzz(self, who: Person, tally: Tally, *, count: int, mode: GenerationMode) -> None:
        """Send so many requests that Hypothesis makes up, the same ones each time."""
        made = [one.as_strategy(generation_mode=mode) for one in self.operations]

        @settings(
            max_examples=count, derandomize=True, database=None, deadline=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=st.one_of(made), chance=st.randoms(use_true_random=False))
        def send(case: Any, chance: random.Random) -> None:
            self.send(self.filled(case, who, chance.choice), who, tally)

        send()

    def cover(self, who: Person, tally: Tally, *, most: int) -> None:
        """Send the edge cases that the description itself suggests, `most` of each operation."""
        for operation in self.operations:
            chance = random.Random(operation.label)
            cases = list(self._edges(operation))
            plain = [case for case in cases if case.method == operation.method.upper()]
            sample = chance.sample(cases, min(most - 1, len(cases)))
            for case in [chance.choice(plain), *sample]:
                self.send(self.filled(case, who, chance.choice), who, tally)

    def _edges(self, operation: Any) -> Iterator[Any]:
        return self.schema.iter_coverage_cases(
            operation,
            generation_modes=[POSITIVE, NEGATIVE],
            generation_config=GenerationConfig(),
        )

    def filled(self, case: Any, who: Person, choose: Callable[[Any], Any]) -> Any:
        """Random ids reach nothing: most are replaced by real ones, where they are ids at all."""
        parts = case.path_parameters or {}
        chat = choose(self.known.chats[who.username])
        for name, value in parts.items():
            if not _is_id(value) or choose(range(4)) == 0:
                continue
            if "/chats/" in case.operation.path:
                found = chat[:1] if name == "id" else chat[1:]
            else:
                found = self.known.ids[case.operation.path.split("/")[3]]
            parts[name] = choose(found) if found else value
        if isinstance(case.body, dict):
            self._fill(case.body, choose)
            if "/cameras" in case.operation.path and case.body.get("enabled", True) is True:
                case.body["enabled"] = False  # else there is a reader for each
        return case

    def _fill(self, body: dict[str, Any], choose: Callable[[Any], Any]) -> None:
        for name, real in (
            ("organization", self.known.organizations), ("camera", self.known.cameras),
        ):  # fmt: skip
            if _is_id(body.get(name)) and choose(range(8)):
                body[name] = choose(real)
        if isinstance(body.get("camera_id"), str) and choose(range(4)):
            body["camera_id"] = choose(self.known.names)
            if isinstance(body.get("timestamp"), int) and choose(range(2)):
                body["timestamp"] = now()
            if isinstance(body.get("frame"), str) and choose(range(2)):
                body["frame"] = picture()

    def send(self, case: Any, who: Person, tally: Tally) -> None:
        """One request, and what is wrong with its answer."""
        operation = f"{case.method} {case.operation.path}"
        bearer = who.bearer
        if operation.endswith("/logout"):  # whoever asks has to be somebody afterwards
            if not self.known.spare:
                return
            bearer = {"Authorization": f"Bearer {self.known.spare.pop()}"}
        asked = case.as_transport_kwargs(base_url=self.url, headers=bearer)
        try:
            response = requests.request(**asked, stream=True, timeout=20, allow_redirects=False)
            if not _read(response):
                tally.cut.add(operation)
        except requests.exceptions.InvalidHeader:
            return  # the client refuses to send it
        except requests.RequestException as error:
            tally.fault(operation, f"no answer: {error!r}")
            return
        tally.answers[operation, response.status_code] += 1
        sent = f"{case.method} {response.request.url} {_shown(response.request.body)}"
        try:
            _is_civil(response)
            case.validate_response(response, checks=CHECKS, transport_kwargs=asked)
        except (Exception, FailureGroup) as error:
            tally.fault(operation, f"{response.status_code} {error}\n{sent}\n{response.text[:600]}")


def _read(response: requests.Response) -> bool:
    """The body; of streams as much as comes within bounds. False where that is not all."""
    kind = response.headers.get("content-type", "")
    if not kind.startswith(ENDLESS):
        response.content  # noqa: B018 - reads it
        return True
    body, whole, began = b"", False, time.monotonic()
    most = ENDLESS_S if kind.startswith("multipart") else 20
    response.raw.connection.sock.settimeout(most)
    with contextlib.suppress(requests.ConnectionError):  # silence
        for piece in response.iter_content(None):
            body += piece
            if len(body) > ENDLESS_BYTES or time.monotonic() - began > most:
                break
        else:
            whole = True
    response._content, response._content_consumed = body, True  # type: ignore[attr-defined]
    response.close()
    return whole


def _is_civil(response: requests.Response) -> None:
    """Nothing fails, and each refusal is a problem with a sentence."""
    status = response.status_code
    assert status < 500 or status == 503, f"{status}: the server failed"
    if status < 400:
        return
    kind = response.headers.get("content-type", "")
    assert kind == "application/problem+json", f"{status}: no problem but {kind}"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"].strip()
    assert status != 503 or response.headers.get("retry-after") or problem.get("state")


def _is_id(value: object) -> bool:
    try:
        return bool(uuid.UUID(value)) if isinstance(value, str) else False
    except ValueError:
        return False


def _shown(body: object) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    return json.dumps(text)[:600]
