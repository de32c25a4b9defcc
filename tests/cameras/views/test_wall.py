"""How the wall is arranged: a person's order, live cameras first, groups and states."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from cameras.models import Camera, CameraState, Kind, WallLayout
from cameras.models.wall_layouts import merge
from project.accounts.models import Membership, Organization, Role, User
from tests.cameras.views.rows import client_of, fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def cameras(club: Organization) -> dict[str, Camera]:
    """Cameras A to D: A and B in the hall, C in the yard, D in no group."""
    groups = {"A": "Hall", "B": "Hall", "C": "Yard", "D": ""}
    return {
        name: Camera.objects.create(organization=club, name=name, group=group, kind=Kind.PUSH)
        for name, group in groups.items()
    }


def shown(client: Client, query: str = "") -> str:
    """Return the names of the wall's visible tiles, as one word."""
    page = client.get(reverse("wall") + query).content.decode()
    tiles = re.findall(r'<li data-tile="[^"]*" data-name="([^"]*)"( hidden)?>', page)
    return "".join(name for name, hidden in tiles if not hidden)


def put(client: Client, *cameras: object) -> None:
    ids = ",".join(str(camera.pk if isinstance(camera, Camera) else camera) for camera in cameras)
    assert client.post(reverse("wall-arrange"), {"order": ids}).status_code == 204


def set_state(camera: Camera, state: str, reason: str = "") -> None:
    facts = {"state": state, "reason": reason}
    CameraState.objects.update_or_create(camera=camera, defaults=facts)


@pytest.mark.postgres
def test_each_person_has_an_order(cameras: dict[str, Camera], viewer: User, operator: User) -> None:
    client = client_of(viewer)
    put(client, *(cameras[name] for name in "DBCA"))
    assert shown(client) == "DBCA"
    assert shown(client_of(operator)) == "ABCD"
    put(client, *(cameras[name] for name in "ADBC"))
    assert shown(client) == "ADBC"


def test_new_cameras_come_last_and_removed_ones_vanish(
    cameras: dict[str, Camera], club: Organization, viewer: User
) -> None:
    client = client_of(viewer)
    put(client, *(cameras[name] for name in "DCBA"))
    Camera.objects.create(organization=club, name="0", kind=Kind.PUSH)
    cameras["C"].delete()
    assert shown(client) == "DBA0"
    put(client, cameras["A"], cameras["B"])
    assert shown(client) == "DAB0"
    assert len(WallLayout.objects.get(user=viewer).order) == 4


def test_part_of_the_wall_is_arranged_without_moving_the_rest(
    cameras: dict[str, Camera], viewer: User
) -> None:
    client = client_of(viewer)
    put(client, cameras["C"], cameras["A"])
    assert shown(client) == "CBAD"


@pytest.mark.postgres
def test_cameras_of_other_organizations_are_ignored(
    cameras: dict[str, Camera], viewer: User, outsider: User
) -> None:
    other = Organization.objects.get(slug="other")
    foreign = Camera.objects.create(organization=other, name="Foreign", kind=Kind.PUSH)
    put(client_of(viewer), foreign, cameras["B"], uuid.uuid4(), "nonsense", "", cameras["A"])
    assert shown(client_of(viewer)) == "BACD"
    assert str(foreign.pk) not in WallLayout.objects.get(user=viewer).order
    put(client_of(outsider), cameras["B"], cameras["A"])
    assert WallLayout.objects.get(user=outsider).order == [str(foreign.pk)]


def test_former_members_see_no_camera_that_they_have_arranged(
    cameras: dict[str, Camera], viewer: User
) -> None:
    put(client_of(viewer), cameras["B"], cameras["A"])
    Membership.objects.filter(user=viewer).delete()
    assert shown(client_of(viewer)) == ""


def test_merge_keeps_the_index_of_what_was_not_sent() -> None:
    assert merge(["a", "b", "c", "d"], ["d", "b"]) == ["a", "d", "c", "b"]
    assert merge(["a", "b"], ["b", "b", "x", "a"]) == ["b", "a"]
    assert merge([], ["a"]) == []


@pytest.mark.postgres
def test_live_cameras_come_first_for_those_who_ask(
    cameras: dict[str, Camera], viewer: User, operator: User
) -> None:
    set_state(cameras["B"], "live")
    set_state(cameras["D"], "live")
    client = client_of(viewer)
    put(client, *(cameras[name] for name in "DCBA"))
    assert client.post(reverse("wall-arrange"), {"live_first": "1"}).status_code == 204
    assert shown(client) == "DBCA"
    assert shown(client_of(operator)) == "ABCD"
    client.post(reverse("wall-arrange"), {"live_first": "0"})
    assert shown(client) == "DCBA"


def test_wall_shows_one_group(cameras: dict[str, Camera], viewer: User) -> None:
    client = client_of(viewer)
    assert shown(client, "?group=Hall") == "AB"
    assert shown(client, "?group=") == "D"
    page = client.get(reverse("wall") + "?group=Yard").content.decode()
    assert re.findall(r'<a class="chip" href="([^"]*)"( aria-current="page")?', page) == [
        ("/", ""),
        ("/?group=Hall", ""),
        ("/?group=Yard", ' aria-current="page"'),
        ("/?group=", ""),
    ]
    page = client.get(reverse("wall") + "?group=Attic").content.decode()
    assert "No camera is in the group “Attic”" in page
    assert "data-wall " not in page


def test_wall_without_groups_has_no_line_of_groups(camera: Camera, viewer: User) -> None:
    assert "wall-groups" not in client_of(viewer).get(reverse("wall")).content.decode()


def test_wall_counts_states_and_shows_one(cameras: dict[str, Camera], viewer: User) -> None:
    set_state(cameras["A"], "live")
    set_state(cameras["B"], "live")
    set_state(cameras["C"], "offline", "The camera refused the connection.")
    set_state(cameras["D"], "offline", "Waiting for the first frame.")
    client = client_of(viewer)
    page = client.get(reverse("wall") + "?show=live").content.decode()
    found = re.findall(
        r'data-show="(\w+)" aria-pressed="(\w+)"( hidden)?>.*?<span data-words>([^<]*)<', page
    )
    assert found == [
        ("live", "true", "", "2 live"),
        ("stale", "false", " hidden", "0 stale"),
        ("connecting", "false", "", "1 waiting"),
        ("offline", "false", "", "1 offline"),
        ("ended", "false", " hidden", "0 off"),
    ]
    assert shown(client, "?show=live") == "AB"
    assert shown(client, "?show=nonsense") == "ABCD"


def test_group_is_edited_and_suggested(
    cameras: dict[str, Camera], club: Organization, admin: User, outsider: User
) -> None:
    client, address = client_of(admin), reverse("camera-edit", args=[cameras["D"].pk])
    page = client.get(address).content.decode()
    assert '<datalist id="groups"><option value="Hall"><option value="Yard"></datalist>' in page
    client.post(address, fields(name="D", group=" Bar ", source="", kind="push"))
    cameras["D"].refresh_from_db()
    assert cameras["D"].group == "Bar"
    page = client_of(outsider).get(reverse("camera-add")).content.decode()
    assert '<datalist id="groups"></datalist>' in page


def test_group_is_in_the_api(cameras: dict[str, Camera], admin: User, viewer: User) -> None:
    address = reverse("api-camera-detail", args=[cameras["D"].pk])
    client = client_of(admin)
    answer = client.patch(address, {"group": "Bar"}, content_type="application/json")
    assert json.loads(answer.content)["group"] == "Bar"
    assert client_of(viewer).get(address).json()["group"] == "Bar"
    answer = client.patch(address, {"group": "two\nlines"}, content_type="application/json")
    assert answer.status_code == 400


def test_screen_is_the_wall_without_the_rest(camera: Camera, viewer: User) -> None:
    client = client_of(viewer)
    assert '<body class="body-screen">' in client.get(reverse("wall") + "?screen").content.decode()
    assert '<body class="">' in client.get(reverse("wall")).content.decode()


def test_order_over_all_organizations_holds_in_each(
    cameras: dict[str, Camera], viewer: User
) -> None:
    second = Organization.objects.create(name="Second", slug="second")
    Membership.objects.create(user=viewer, organization=second, role=Role.VIEWER)
    others = [Camera.objects.create(organization=second, name=n, kind=Kind.PUSH) for n in "EF"]
    client = client_of(viewer)
    put(client, others[1], cameras["D"], others[0], *(cameras[name] for name in "ABC"))
    assert shown(client) == "FDEABC"
    client.post(reverse("organization-choose"), {"organization": "second"})
    assert shown(client) == "FE"
    put(client, *others)
    client.post(reverse("organization-choose"), {"organization": ""})
    assert shown(client) == "EDFABC"
