import assert from "node:assert/strict";
import { test } from "node:test";

import { moved, sequence, step } from "../../../static/js/live/arrangement.js";

const order = ["a", "b", "c", "d", "e"];

test("a camera is put before or after another one", () => {
  assert.deepEqual(moved(order, "d", "b", "before"), ["a", "d", "b", "c", "e"]);
  assert.deepEqual(moved(order, "a", "c", "after"), ["b", "c", "a", "d", "e"]);
  assert.deepEqual(order, ["a", "b", "c", "d", "e"]);
});

test("what cannot be moved leaves the same order", () => {
  assert.equal(moved(order, "a", "a", "after"), order);
  assert.equal(moved(order, "x", "a", "after"), order);
  assert.equal(moved(order, "a", "x", "after"), order);
});

test("live cameras come first where one asks, each part in the person's order", () => {
  const isLive = (camera) => "be".includes(camera);
  assert.deepEqual(sequence(order, isLive, true), ["b", "e", "a", "c", "d"]);
  assert.equal(sequence(order, isLive, false), order);
});

test("arrow keys move by one place or by one row", () => {
  assert.deepEqual(step(order, "b", "ArrowRight", 2), { target: "c", side: "after" });
  assert.deepEqual(step(order, "b", "ArrowLeft", 2), { target: "a", side: "before" });
  assert.deepEqual(step(order, "b", "ArrowDown", 2), { target: "d", side: "after" });
  assert.deepEqual(step(order, "d", "ArrowUp", 2), { target: "b", side: "before" });
  assert.deepEqual(step(order, "d", "ArrowDown", 2), { target: "e", side: "after" });
  assert.deepEqual(step(order, "c", "End", 2), { target: "e", side: "after" });
});

test("at the edge a camera stays", () => {
  for (const [camera, key] of [["a", "ArrowLeft"], ["b", "ArrowUp"], ["e", "ArrowDown"], ["a", "Home"], ["a", "x"]]) {
    assert.equal(step(order, camera, key, 2), null, `${camera} ${key}`);
  }
});
