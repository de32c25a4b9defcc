"""Requests generated from the OpenAPI schema, sent to a server and validated against the schema."""

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
from tests.people import Person
from tests.push_messages import now, picture

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
ENDLESS_S = 1.0  # for which an endless stream is read
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@dataclass(slots=True)
class Known:
    """Existing ids by path segment, and values for request bodies."""

    ids: dict[str, list[str]]
    chats: dict[str, list[list[str]]]  # by username of the owner: ids of chat, prompt, answer
    organizations: list[str]
    cameras: list[str]
    names: list[str]  # cameras as `actions/send` accepts them
    spare: list[str]  # tokens for logout


@dataclass(slots=True)
class Tally:
    """Counts of responses, and the faults in them."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    cut: set[str] = field(default_factory=set)  # operations whose response was not read to the end
    faults: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        by_status: Counter[int] = Counter()
        for (_, status), count in self.answers.items():
            by_status[status] += count
        return f"{self.answers.total()} requests {dict(sorted(by_status.items()))}"

    def statuses(self, operation: str) -> set[int]:
        return {status for name, status in self.answers if name == operation}

    def fault(self, operation: str, text: str) -> None:
        """Record a fault, if it is the first of its kind."""
        kind = " ".join(text.split()[:12])
        self.faults.setdefault(f"{operation}: {kind}", text)


class SchemaClient:
    """Sends generated requests to an installation."""

    def __init__(self, installation: Installation, known: Known) -> None:
        load_all_checks()
        text = requests.get(f"{installation.url}/api/schema/?format=json", timeout=20).json()
        for operations in text["paths"].values():
            for operation in operations.values():
                _type_events(operation["responses"])
        self.url = installation.url
        self.known = known
        self.schema = schemathesis.openapi.from_dict(text)
        found = [result.ok() for result in self.schema.get_all_operations()]
        # Deletions come last, and after them logout.
        self.operations = sorted(
            found, key=lambda one: (one.path.endswith("/logout"), one.method == "delete")
        )

    def fuzz(self, who: Person, tally: Tally, *, count: int, mode: GenerationMode) -> None:
        """Send `count` requests from Hypothesis, reproducibly."""
        strategies = [one.as_strategy(generation_mode=mode) for one in self.operations]

        @settings(
            max_examples=count, derandomize=True, database=None, deadline=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=st.one_of(strategies), chance=st.randoms(use_true_random=False))
        def send(case: Any, chance: random.Random) -> None:
            self.send(self.fill_in(case, who, chance.choice), who, tally)

        send()

    def cover(self, who: Person, tally: Tally, *, limit: int) -> None:
        """Send edge cases of the schema, at most `limit` per operation."""
        for operation in self.operations:
            chance = random.Random(operation.label)
            cases = list(self._edges(operation))
            plain = [case for case in cases if case.method == operation.method.upper()]
            sample = chance.sample(cases, min(limit - 1, len(cases)))
            for case in [chance.choice(plain), *sample]:
                self.send(self.fill_in(case, who, chance.choice), who, tally)

    def _edges(self, operation: Any) -> Iterator[Any]:
        return self.schema.iter_coverage_cases(
            operation,
            generation_modes=[POSITIVE, NEGATIVE],
            generation_config=GenerationConfig(),
        )

    def fill_in(self, case: Any, who: Person, choose: Callable[[Any], Any]) -> Any:
        """Replace most random ids by existing ones: random ids reach nothing."""
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
            self._fill_body(case.body, choose)
            if "/cameras" in case.operation.path and case.body.get("enabled", True) is True:
                case.body["enabled"] = False  # otherwise each camera starts a worker
        return case

    def _fill_body(self, body: dict[str, Any], choose: Callable[[Any], Any]) -> None:
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
        """Send a request and record faults in its response."""
        operation = f"{case.method} {case.operation.path}"
        bearer = who.bearer
        if operation.endswith("/logout"):  # keep the user's own token valid
            if not self.known.spare:
                return
            bearer = {"Authorization": f"Bearer {self.known.spare.pop()}"}
        arguments = case.as_transport_kwargs(base_url=self.url, headers=bearer)
        try:
            response = requests.request(**arguments, stream=True, timeout=20, allow_redirects=False)
            if not _read(response):
                tally.cut.add(operation)
        except requests.exceptions.InvalidHeader:
            return  # the client refuses to send it
        except requests.RequestException as error:
            tally.fault(operation, f"no answer: {error!r}")
            return
        tally.answers[operation, response.status_code] += 1
        sent = f"{case.method} {response.request.url} {_body_text(response.request.body)}"
        try:
            _check_errors(response)
            case.validate_response(response, checks=CHECKS, transport_kwargs=arguments)
        except (Exception, FailureGroup) as error:
            tally.fault(operation, f"{response.status_code} {error}\n{sent}\n{response.text[:600]}")


def _type_events(responses: dict[str, Any]) -> None:
    """Give event streams the type of one event: schemathesis validates each, not the text."""
    event = {"type": "object", "required": ["id", "data"]}
    for response in responses.values():
        if stream := response.get("content", {}).get("text/event-stream"):
            stream["schema"] = event
            stream.pop("example")


def _read(response: requests.Response) -> bool:
    """Read the body, of streams a bounded part. Return False if it was not read completely."""
    kind = response.headers.get("content-type", "")
    if not kind.startswith(ENDLESS):
        response.content  # noqa: B018 - the property reads the body
        return True
    body, is_complete, began = b"", False, time.monotonic()
    limit = ENDLESS_S if kind.startswith("multipart") else 20
    response.raw.connection.sock.settimeout(limit)
    with contextlib.suppress(requests.ConnectionError):  # silence
        for piece in response.iter_content(None):
            body += piece
            if len(body) > ENDLESS_BYTES or time.monotonic() - began > limit:
                break
        else:
            is_complete = True
    response._content, response._content_consumed = body, True  # type: ignore[attr-defined]
    response.close()
    return is_complete


def _check_errors(response: requests.Response) -> None:
    """Assert that the server did not fail, and that an error is a problem with a sentence."""
    status = response.status_code
    assert status < 500 or status == 503, f"{status}: the server failed"
    if status < 400:
        return
    kind = response.headers.get("content-type", "")
    assert kind == "application/problem+json", f"{status}: {kind} in place of a problem"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"].strip()
    assert status != 503 or response.headers.get("retry-after") or problem.get("state")


def _is_id(value: object) -> bool:
    try:
        return bool(uuid.UUID(value)) if isinstance(value, str) else False
    except ValueError:
        return False


def _body_text(body: object) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    return json.dumps(text)[:600]
