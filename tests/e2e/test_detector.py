"""A custom detector model in a real Chromium: upload, check, use on a camera, removal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from cameras.ingest.labels import COCO
from cameras.ingest.worker.detector import WEIGHTS
from tests.browser import new_page
from tests.cameras.ingest.custom_models import onnx_models
from tests.e2e.watching import NARROW, sign_in
from tests.installation import Installation, installed
from tests.sockets import next_frame, watching
from tests.waiting import until

pytestmark = pytest.mark.extended
PLAYERS = ["<i>player</i>", *COCO[1:]]


@pytest.fixture
def own(folder: Path) -> Iterator[Installation]:
    with installed(folder) as installation:
        installation.serve()
        yield installation


def labels(installation: Installation, camera: str) -> set[str]:
    """Return the labels of the detections in the camera's next frame."""
    with watching(
        installation, camera, headers={"Authorization": f"Bearer {installation.token}"}
    ) as socket:
        return {one["class"] for one in next_frame(socket).get("detections", [])}


def choose(page: Page, data: bytes, *, name: str, labels: list[str], nanodet: bool) -> None:
    file = {"name": f"{name}.onnx", "mimeType": "application/octet-stream", "buffer": data}
    page.get_by_label("Model", exact=True).set_input_files(file)  # type: ignore[arg-type]
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    page.get_by_label("Labels", exact=True).select_option("list")
    page.get_by_label("One label in each line").fill("\n".join(labels))
    page.get_by_label("Order of colours").select_option("bgr" if nanodet else "rgb")
    page.get_by_label("Brightness").select_option("bytes" if nanodet else "unit")
    page.get_by_role("button", name="Upload and check").click()


def test_model_is_uploaded_detects_on_a_camera_and_is_removed(
    browser: Browser, own: Installation
) -> None:
    with own.api() as api:
        camera = str(api.get("/cameras").json()["results"][0]["id"])
        api.patch(f"/cameras/{camera}", json={"detect": True}).raise_for_status()
    with new_page(browser) as tab:
        page = tab.page
        sign_in(page, own)
        page.goto(f"{own.url}/organizations/demo-club")
        page.get_by_role("link", name="Choose the detector").click()
        expect(page.get_by_text("Sideline’s own detector, which knows")).to_be_visible()

        nan = onnx_models.constant_output(float("nan"))
        choose(page, nan, name="broken", labels=onnx_models.LABELS, nanodet=False)
        expect(page.get_by_text("It is refused. It answers with numbers")).to_be_visible(
            timeout=60_000
        )

        page.reload()
        choose(page, WEIGHTS.read_bytes(), name="players", labels=PLAYERS, nanodet=True)
        expect(page.get_by_text("players passed its check")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("<i>player</i>")).to_be_attached()

        until(lambda: "<i>player</i>" in labels(own, camera), 60, "the model's label")
        until(lambda: "person" not in labels(own, camera), 60, "the end of the former labels")

        page.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.get_by_text("players is removed.")).to_be_visible()
        until(lambda: "person" in labels(own, camera), 60, "the shipped detector's label")
        assert tab.errors == []


def test_cancelled_or_too_large_upload_changes_nothing(
    browser: Browser, session: Any, installation: Installation
) -> None:
    with new_page(browser, viewport=NARROW, storage_state=session) as tab:
        page = tab.page
        page.goto(f"{installation.url}/organizations/demo-club/detector")
        page.get_by_role("button", name="Upload and check").click()
        expect(page.get_by_text("Choose a file first.")).to_be_visible()
        page.route("**/parts/1", lambda route: None)  # never answered
        choose(page, bytes(600_000), name="half", labels=["a"], nanodet=False)
        expect(page.get_by_text("Uploading, 50 %")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Cancelled. Nothing has changed.")).to_be_visible()
        page.get_by_label("Model", exact=True).evaluate(
            """(input) => {
                const files = new DataTransfer();
                files.items.add(new File([new Uint8Array(64 * 1024 * 1024 + 1)], "vast.onnx"));
                input.files = files.files;
            }"""
        )
        page.get_by_role("button", name="Upload and check").click()
        expect(page.get_by_text("larger than 64 MiB")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.errors == []
