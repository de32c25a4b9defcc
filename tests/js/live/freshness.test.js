import assert from "node:assert/strict";
import { test } from "node:test";

import { Freshness } from "../../../static/js/live/freshness.js";

const NOON = Date.UTC(2026, 5, 1, 10, 4, 31); // 12:04:31 in Berlin
const ZONE = "Europe/Berlin";
const frame = (timestamp, age_ms = 100) => ({ timestamp, age_ms });
const status = (state, since = NOON, reason = "", last_frame = null) => ({ state, since, reason, last_frame });

test("a camera with a recent picture is live", () => {
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON, 200));
  const view = camera.view(1400);
  assert.equal(view.state, "live");
  assert.equal(view.age, "0.6 s");
});

test("a picture is stale before it is 1.5 seconds old, even if the server says live", () => {
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON, 0));
  camera.setStatus(status("live"));
  assert.equal(camera.view(2300).state, "live");
  assert.equal(camera.view(2400).state, "stale");
  assert.equal(camera.view(2500).label, "Stale, 1.5 s old");
  assert.equal(camera.view(31_000).label, "Stale, 30 s old");
  assert.equal(camera.view(61_000).label, "Stale, last picture 12:04:31");
});

test("the age on arrival is added", () => {
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON, 1300));
  assert.equal(camera.view(1050).state, "live");
  assert.equal(camera.view(1100).state, "stale");
});

test("a camera with a picture every ten seconds is live, and says how often it takes one", () => {
  const camera = new Freshness(ZONE);
  camera.setStatus({ ...status("live"), interval: 10 });
  camera.addPicture(1000, frame(NOON, 100));
  for (const now of [1000, 6000, 12_000]) {
    const { state, interval } = camera.view(now);
    assert.deepEqual([state, interval], ["live", "every 10 s"]);
  }
  assert.equal(camera.view(17_000).state, "stale");
});

test("without the server's measure, the frames tell how often a camera takes one", () => {
  const camera = new Freshness(ZONE);
  for (let seq = 1; seq <= 4; seq += 1) {
    camera.addPicture(seq * 5000, { ...frame(NOON + seq * 5000), run: 1, seq });
  }
  assert.equal(camera.view(26_000).interval, "every 5 s");
  assert.equal(camera.view(26_000).state, "live");
  assert.equal(camera.view(29_000).state, "stale");
});

test("a slow connection does not make a fast camera a slow one", () => {
  const camera = new Freshness(ZONE);
  for (let seq = 10; seq <= 100; seq += 10) {
    camera.addPicture(seq * 400, { ...frame(NOON + seq * 400), run: 1, seq });
  }
  assert.equal(camera.view(40_000).interval, "");
  assert.equal(camera.view(41_600).state, "stale");
});

test("one gap does not make a fast camera a slow one", () => {
  const camera = new Freshness(ZONE);
  [0, 100, 200, 9200, 9300].forEach((at, seq) => camera.addPicture(at, { ...frame(NOON + at), run: 1, seq }));
  assert.equal(camera.view(11_000).state, "stale");
});

test("the last picture of a slow camera that is offline does not make it live", () => {
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  camera.addPicture(1000, { ...frame(NOON, 9000), interval: 10 });
  assert.equal(camera.view(1000).state, "offline");
});

test("a push camera without a picture waits, and has not failed", () => {
  const camera = new Freshness(ZONE, { isPushed: true, state: "waiting", since: NOON, reason: "Waiting for a frame." });
  const waiting = { state: "waiting", age: "", label: "Waiting for its first picture", reason: "", interval: "" };
  assert.deepEqual(camera.view(0), waiting);
  camera.setStatus(status("offline", NOON, "Waiting for its first picture."));
  assert.deepEqual(camera.view(0), waiting);
  camera.addPicture(1000, frame(NOON));
  assert.equal(camera.view(1000).state, "live");
  camera.setStatus(status("offline", NOON, "Nothing was sent for 10 s.", NOON));
  assert.equal(camera.view(12_000).state, "offline");
});

test("a camera that is connected and waits for its first picture has not failed", () => {
  const camera = new Freshness(ZONE);
  camera.setStatus(status("offline", NOON, "Connected. Waiting for a keyframe."));
  const { state, label, reason } = camera.view(0);
  assert.deepEqual([state, label, reason], ["connecting", "Connecting", "Waiting for a keyframe."]);
});

test("the server's measure holds no longer than the frames confirm it", () => {
  const camera = new Freshness(ZONE);
  camera.setStatus({ ...status("live"), interval: 9 }); // it saw one gap
  for (let seq = 1; seq <= 4; seq += 1) camera.addPicture(seq * 100, { ...frame(NOON + seq * 100), run: 1, seq });
  assert.equal(camera.view(1800).state, "stale");
});

test("a wrong local clock has no effect", (t) => {
  t.mock.method(Date, "now", () => 0);
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON, 100));
  assert.equal(camera.view(1000).state, "live");
  assert.equal(camera.view(90_000).label, "Stale, last picture 12:04:31");
});

test("offline is shown at once, with its time and reason", (t) => {
  t.mock.method(Date, "now", () => NOON + 60_000);
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON));
  camera.setStatus(status("offline", NOON, "The camera closed the connection."));
  const view = camera.view(1100);
  assert.equal(view.state, "offline");
  assert.equal(view.label, "Offline since 12:04");
  assert.equal(view.reason, "The camera closed the connection.");
});

test("offline since another day includes the day", (t) => {
  t.mock.method(Date, "now", () => NOON + 86_400_000);
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  assert.equal(camera.view(0).label, "Offline since 1 Jun 12:04");
});

test("an old last picture does not make an offline camera live", () => {
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  camera.addPicture(1000, frame(NOON, 600_000));
  assert.equal(camera.view(1000).state, "offline");
});

test("a fresh picture makes an offline camera live", () => {
  const camera = new Freshness(ZONE, { state: "offline", since: NOON });
  camera.addPicture(1000, frame(NOON, 50));
  assert.equal(camera.view(1000).state, "live");
});

test("a stale status without a picture does not replace switched off", () => {
  const camera = new Freshness(ZONE, { state: "ended", reason: "This camera is switched off." });
  camera.setStatus(status("stale", NOON, "Sideline receives nothing from this camera at the moment."));
  assert.equal(camera.view(0).label, "Switched off");
  assert.equal(camera.view(0).reason, "");
});

test("a page never starts as live", () => {
  const camera = new Freshness(ZONE, { state: "live", since: NOON, pictureAt: NOON });
  assert.equal(camera.view(0).state, "connecting");
  assert.equal(camera.view(0).label, "Connecting, last picture 12:04:31");
});

test("connecting has the same label from the page and from the socket", () => {
  const page = new Freshness(ZONE, { state: "connecting", since: NOON });
  const socket = new Freshness(ZONE, { state: "offline", since: NOON, reason: "The camera is gone." });
  socket.setStatus(status("offline", NOON, "Connecting."));
  for (const camera of [page, socket]) {
    assert.deepEqual(camera.view(0), { state: "connecting", age: "", label: "Connecting", reason: "", interval: "" });
  }
});

test("a camera that is being reconnected is still offline", () => {
  const reason = "The camera ended the stream; connecting again.";
  const camera = new Freshness(ZONE, { state: "offline", since: NOON, reason });
  assert.equal(camera.view(0).state, "offline");
});

test("after a pause the state is connecting, not stale, until a picture arrives", () => {
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON));
  camera.pause();
  assert.equal(camera.view(60_000).label, "Connecting, last picture 12:04:31");
  camera.addPicture(60_000, frame(NOON + 59_000));
  assert.equal(camera.view(60_000).state, "live");
});

test("a status during a pause is kept until the connection is reset", () => {
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON));
  camera.pause();
  camera.setStatus(status("stale", NOON, "No picture for a while.", NOON));
  assert.equal(camera.view(9000).state, "stale");
  camera.reset();
  assert.equal(camera.view(9000).state, "connecting");
});

test("after a clock was set back, the last picture has the new time", () => {
  const camera = new Freshness(ZONE);
  camera.addPicture(1000, frame(NOON + 3_600_000));
  camera.setStatus(status("stale", NOON, "No picture for a while.", NOON));
  assert.equal(camera.view(90_000).label, "Stale, last picture 12:04:31");
});
