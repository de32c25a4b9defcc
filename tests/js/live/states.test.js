import assert from "node:assert/strict";
import { test } from "node:test";

import { CameraStates, countedState, SETTLE_MS } from "../../../static/js/live/states.js";

test("a camera that the server connects to is waiting, and so is one in an unknown state", () => {
  assert.equal(countedState({ state: "offline", reason: "Connecting." }), "connecting");
  assert.equal(countedState({ state: "offline", reason: "Connected. Waiting for a keyframe." }), "connecting");
  assert.equal(countedState({ state: "offline", reason: "" }), "offline");
  assert.equal(countedState({ state: "waiting" }), "connecting");
  assert.equal(countedState({ state: "offline", reason: "The address refused." }), "offline");
});

test("the newest states are counted", () => {
  const states = new CameraStates();
  states.report("1", "live", 0);
  states.report("2", "live", 0);
  assert.equal(states.report("2", "offline", 10), true);
  assert.equal(states.report("2", "offline", 20), false);
  assert.deepEqual(Object.fromEntries(states.counts()), { live: 1, stale: 0, connecting: 0, offline: 1, ended: 0 });
});

test("a state decides what is shown only after it has lasted", () => {
  const states = new CameraStates();
  states.report("1", "live", 0);
  assert.equal(states.settled("1", 0), "live");
  states.report("1", "stale", 10_000);
  assert.equal(states.settled("1", 10_000 + SETTLE_MS - 1), "live");
  assert.equal(states.settled("1", 10_000 + SETTLE_MS), "stale");
});

test("a camera that flickers stays in its last lasting state", () => {
  const states = new CameraStates();
  states.report("1", "live", 0);
  for (let at = 10_000; at < 20_000; at += 2000) {
    states.report("1", "stale", at);
    states.report("1", "live", at + 1000);
    assert.equal(states.settled("1", at + 1500), "live");
  }
});
