"""The files and devices that the camera form offers, in a real Chromium."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import expect

from tests.browser import Tab
from tests.installation import Installation

pytestmark = pytest.mark.extended

_SCRIPT = """
from cameras.models import DeviceGrant
from cameras.models.local_sources import media_folder
from project.accounts.models import *
club = Organization.objects.get(slug="demo-club")
school = Organization.objects.create(name="{name}", slug="{name}")
keeper = User.objects.get(username="keeper")
Membership.objects.create(user=keeper, organization=school, role="admin")
media_folder(school.pk).mkdir(parents=True)
(media_folder(school.pk) / "lesson.mp4").write_bytes(b"x")
DeviceGrant.objects.create(organization=school, device=62)
print("IDS", club.pk, school.pk)
"""


def test_form_offers_what_the_chosen_organization_may_use(
    tab: Tab, installation: Installation
) -> None:
    name = f"school-{uuid.uuid4().hex[:8]}"
    script = _SCRIPT.replace("{name}", name)
    _, club, school = installation.manage("shell", "-v0", "-c", script).split()[-3:]
    try:
        page = tab.page
        page.goto(f"{installation.url}/cameras/new")
        form = page.locator("form[data-camera-form]")
        source = form.locator("[name=source]")
        file, device = (form.get_by_role("button", name=one) for one in ("lesson", "/dev/video62"))
        form.locator("[name=kind]").select_option("file")
        form.locator("[name=organization]").select_option(club)
        expect(file).to_be_hidden()
        form.locator("[name=organization]").select_option(school)
        file.click()
        expect(source).to_have_value("lesson.mp4")
        form.get_by_role("button", name="Test connection").click()
        expect(form.locator("[data-test-answer]")).to_have_attribute("data-state", "failed")
        expect(form.locator("[data-test-answer]")).not_to_contain_text("no such file")
        form.locator("[name=kind]").select_option("device")
        expect(file).to_be_hidden()
        device.click()
        expect(source).to_have_value("/dev/video62")
    finally:
        script = f"Organization.objects.get(slug='{name}').delete()"
        installation.manage("shell", "-v0", "-c", script)
