import assert from "node:assert/strict";
import { test } from "node:test";

import { Freshness } from "../../../static/js/live/freshness.js";

const NOON = Date.UTC(2026, 5, 1, 10, 4, 31); // 12:04:31 in Berlin
const ZONE = "Europe/Berlin";
const frame = (timestamp, age_ms = 100) => ({ timestamp, age_ms });
const status = (state, since = NOON, reason = "", last_frame = null) => ({ state, since, reason, last_frame });

test("it is live while the picture is younger than three seconds", () => {
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON, 200));
  const view = camera.view(1400);
  assert.equal(view.state, "live");
  assert.equal(view.age, "0.6 s");
});

test("before three seconds are over it is stale, whatever the server says", () => {
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON, 0));
  camera.status(status("live"));
  assert.equal(camera.view(3600).state, "live");
  assert.equal(camera.view(4000).state, "stale");
  assert.equal(camera.view(4000).words, "Stale, last picture 12:04:31");
});

test("the age that a picture arrives with counts", () => {
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON, 2600));
  assert.equal(camera.view(1050).state, "live");
  assert.equal(camera.view(1100).state, "stale");
});

test("the local clock of the day is not asked", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 0 });
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON, 100));
  assert.equal(camera.view(1000).state, "live");
  assert.equal(camera.view(9000).words, "Stale, last picture 12:04:31");
});

test("offline is said with its time and reason at once", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: NOON + 60_000 });
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON));
  camera.status(status("offline", NOON, "The camera closed the connection."));
  const view = camera.view(1100);
  assert.equal(view.state, "offline");
  assert.equal(view.words, "Offline since 12:04");
  assert.equal(view.reason, "The camera closed the connection.");
});

test("offline since another day names the day", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: NOON + 86_400_000 });
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  assert.equal(camera.view(0).words, "Offline since 1 Jun 12:04");
});

test("the last picture of a dead camera does not bring it to life", () => {
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  camera.picture(1000, frame(NOON, 600_000));
  assert.equal(camera.view(1000).state, "offline");
});

test("a fresh picture does", () => {
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  camera.picture(1000, frame(NOON, 50));
  assert.equal(camera.view(1000).state, "live");
});

test("a silent reader does not make a switched-off camera stale", () => {
  const camera = new Freshness(ZONE, { state: "ended", reason: "This camera is switched off." });
  camera.status(status("stale", NOON, "Nothing arrives from this camera's reader."));
  assert.equal(camera.view(0).words, "Switched off");
  assert.equal(camera.view(0).reason, "");
});

test("a page never begins as live", () => {
  const camera = new Freshness(ZONE, { state: "live", since: NOON, pictureAt: NOON });
  assert.equal(camera.view(0).state, "connecting");
  assert.equal(camera.view(0).words, "Connecting, last picture 12:04:31");
});

test("being connected to reads the same from the page and from the socket", () => {
  const page = new Freshness(ZONE, { state: "connecting", since: NOON });
  const socket = new Freshness(ZONE, { state: "offline", since: NOON, reason: "The camera is gone." });
  socket.status(status("offline", NOON, "Connecting."));
  for (const camera of [page, socket]) {
    assert.deepEqual(camera.view(0), { state: "connecting", age: "", words: "Connecting", reason: "" });
  }
});

test("a lost camera that connects again is still offline", () => {
  const reason = "The camera ended the stream; connecting again.";
  const camera = new Freshness(ZONE, { state: "offline", since: NOON, reason });
  assert.equal(camera.view(0).state, "offline");
});

test("after a rest it waits for a picture instead of calling the old one stale", () => {
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON));
  camera.rest();
  assert.equal(camera.view(60_000).words, "Connecting, last picture 12:04:31");
  camera.picture(60_000, frame(NOON + 59_000));
  assert.equal(camera.view(60_000).state, "live");
});

test("what the server says during a rest holds, and is forgotten with the connection", () => {
  const camera = new Freshness(ZONE);
  camera.picture(1000, frame(NOON));
  camera.rest();
  camera.status(status("stale", NOON, "No picture for a while.", NOON));
  assert.equal(camera.view(9000).state, "stale");
  camera.forget();
  assert.equal(camera.view(9000).state, "connecting");
});
