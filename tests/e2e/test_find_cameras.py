"""Finding a camera, choosing a stream, and testing it, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Tab
from tests.installation import Installation
from tests.onvif import onvif_camera
from tests.servers import http_camera

pytestmark = pytest.mark.extended


def open_form(tab: Tab, installation: Installation) -> Page:
    tab.page.goto(f"{installation.url}/cameras/new")
    return tab.page


def test_chosen_stream_fills_the_form_and_its_picture_is_shown(
    tab: Tab, installation: Installation
) -> None:
    page = open_form(tab, installation)
    form, dialog = page.locator("form[data-camera-form]"), page.locator("[data-find]")
    with onvif_camera() as onvif, http_camera() as video:
        onvif.login, video.login = ("admin", "p@ss:w/rd"), "admin:p@ss:w/rd"
        onvif.uris["main"] = f"http://0.0.0.0:{video.port}/cam"
        form.get_by_role("button", name="Find cameras").click()
        expect(dialog.locator("[data-find-said]")).to_contain_text("about 3 s")
        dialog.locator("[data-find-host]").fill(f"127.0.0.1:{onvif.port}")
        dialog.locator("[data-find-host]").press("Enter")
        dialog.locator("[data-find-user]").fill("admin")
        dialog.locator("[data-find-password]").fill("wrong")
        dialog.get_by_role("button", name="Show its streams").click()
        expect(dialog.locator("[data-find-answer]")).to_contain_text("refused this user name")
        dialog.locator("[data-find-password]").fill("p@ss:w/rd")
        dialog.locator("[data-find-password]").press("Enter")
        dialog.get_by_role("button", name="main stream").click()
        expect(dialog).to_be_hidden()
        expect(form.locator("[name=kind]")).to_have_value("http")
        expect(form.locator("[name=source]")).to_have_value(f"http://127.0.0.1:{video.port}/cam")
        expect(form.locator("[name=password]")).to_have_value("p@ss:w/rd")
        form.get_by_role("button", name="Test connection").click()
        expect(form.locator("[data-test-answer]")).to_have_attribute("data-state", "ok")
        picture = form.get_by_role("img", name="First picture of the camera")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
        form.locator("[name=source]").fill("http://127.0.0.1/")
        expect(picture).to_have_count(0)
    assert tab.errors == []


def test_search_ends_with_a_list_or_with_what_to_do(tab: Tab, installation: Installation) -> None:
    page = open_form(tab, installation)
    page.get_by_role("button", name="Find cameras").click()
    expect(page.locator("[data-find-said]")).to_contain_text("No camera answered.")
    page.keyboard.press("Escape")
    expect(page.locator("[data-find]")).to_be_hidden()
    assert tab.errors == []


def test_connection_test_can_be_cancelled(tab: Tab, installation: Installation) -> None:
    page = open_form(tab, installation)
    form = page.locator("form[data-camera-form]")
    form.locator("[name=kind]").select_option("demo")
    expect(form.locator("[data-login-row]")).to_be_hidden()
    form.locator("[name=kind]").select_option("rtsp")
    form.locator("[name=source]").fill("rtsp://me:pa%40ss@192.0.2.9/a")
    form.locator("[name=source]").blur()
    expect(form.locator("[name=source]")).to_have_value("rtsp://192.0.2.9/a")
    expect(form.locator("[name=user]")).to_have_value("me")
    expect(form.locator("[name=password]")).to_have_value("pa@ss")
    form.get_by_role("button", name="Test connection").click()
    expect(form.locator("[data-test-answer]")).to_contain_text("Connecting… ")
    form.get_by_role("button", name="Cancel", exact=True).click()
    expect(form.locator("[data-test-answer]")).to_have_text("Cancelled.")
    expect(form.get_by_role("button", name="Test connection")).to_be_enabled()
    assert tab.errors == []
