import assert from "node:assert/strict";
import { test } from "node:test";

import { differs, watchRoster } from "../../../static/js/live/roster.js";
import { fakeTimers, tick } from "../timers.js";

const of = (organization, ...ids) => ids.map((id) => ({ id, organization }));
const listing = (results, next = null) => ({ results, next });

test("the same cameras in another order are no change", () => {
  assert.equal(differs(new Set(["1", "2"]), listing(of("club", "2", "1"))), false);
  assert.equal(differs(new Set(), listing([])), false);
});

test("an added or removed camera is a change", () => {
  assert.equal(differs(new Set(["1"]), listing(of("club", "1", "2"))), true);
  assert.equal(differs(new Set(["1", "2"]), listing(of("club", "1"))), true);
  assert.equal(differs(new Set(), listing(of("club", "1"))), true);
});

test("cameras of other organizations are ignored", () => {
  const all = listing([...of("club", "1"), ...of("other", "2")]);
  assert.equal(differs(new Set(["1"]), all, "club"), false);
  assert.equal(differs(new Set(["1"]), all, ""), true);
});

test("of a wall of one group, cameras of other groups are ignored", () => {
  const grouped = listing([
    { id: "1", organization: "club", group: "Hall" },
    { id: "2", organization: "club", group: "" },
  ]);
  assert.equal(differs(new Set(["1"]), grouped, "", "Hall"), false);
  assert.equal(differs(new Set(["2"]), grouped, "", ""), false);
  assert.equal(differs(new Set(["1"]), grouped, ""), true);
});

test("a camera missing on the first page of a long list is not a change", () => {
  assert.equal(differs(new Set(["1", "2"]), listing(of("club", "1"), "more")), false);
  assert.equal(differs(new Set(["1"]), listing(of("club", "1", "2"), "more")), true);
});

test("the line appears once when the list changes, and disappears again", async (t) => {
  fakeTimers(t, "setInterval");
  const page = Object.assign(new EventTarget(), { hidden: false, createElement: () => ({}) });
  let answer = { ok: true, json: async () => listing(of("club", "1")) };
  const requests = [];
  Object.assign(globalThis, {
    document: page,
    location: { pathname: "/sideline/" },
    fetch: async (address) => (requests.push(address), answer),
  });
  let written = 0;
  const line = {
    dataset: { roster: "/sideline/api/v1/cameras", organization: "" },
    children: [],
    hasChildNodes: () => line.children.length > 0,
    replaceChildren: (...children) => ((written += 1), (line.children = children)),
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  watchRoster(/** @type {any} */ (line), new Set(["1"]));

  tick(60_000);
  await settle();
  assert.deepEqual([requests, written], [["/sideline/api/v1/cameras?limit=200"], 0]);

  answer = { ok: true, json: async () => listing(of("club", "1", "2")) };
  for (let turn = 0; turn < 2; turn += 1) {
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
  }
  assert.equal(written, 1);
  assert.deepEqual(line.children, [
    "The list of cameras has changed. ",
    { href: "/sideline/", textContent: "Reload" },
  ]);

  answer = { ok: false };
  tick(60_000);
  await settle();
  assert.equal(written, 1);

  page.hidden = true;
  tick(60_000);
  await settle();
  assert.equal(requests.length, 4);

  page.hidden = false;
  answer = { ok: true, json: async () => listing(of("club", "1")) };
  page.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.deepEqual(line.children, []);
});

test("where states are not known from pictures, the list is asked for four times as often", async (t) => {
  fakeTimers(t, "setInterval");
  let isUrgent = true;
  const lists = [];
  let changes = 0;
  Object.assign(globalThis, {
    document: Object.assign(new EventTarget(), { hidden: false, createElement: () => ({}) }),
    location: { pathname: "/" },
    fetch: async () => ({ ok: true, json: async () => listing(of("club", "1")) }),
  });
  const line = { dataset: {}, hasChildNodes: () => false, replaceChildren: () => {} };
  const options = { isUrgent: () => isUrgent, listed: (list) => lists.push(list), changed: () => (changes += 1) };
  watchRoster(/** @type {any} */ (line), new Set(["1", "2"]), options);
  for (let turn = 0; turn < 8; turn += 1) {
    isUrgent = turn < 4;
    tick(15_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(lists.length, 5);
  assert.equal(changes, 5);
});
