import assert from "node:assert/strict";
import { test } from "node:test";

import { timeIn } from "../../../static/js/live/clock.js";
import { countOf, countWords } from "../../../static/js/live/counts.js";

const seen = (...names) => names.map((name) => ({ class: name }));

test("one and many are told apart", () => {
  assert.equal(countOf(1, "person"), "1 person");
  assert.equal(countOf(3, "person"), "3 people");
  assert.equal(countOf(2, "bus"), "2 buses");
  assert.equal(countOf(2, "car"), "2 cars");
  assert.equal(countOf(2, "sheep"), "2 sheep");
});

test("the most frequent come first, at most three kinds", () => {
  const detections = seen("dog", "person", "car", "person", "bus", "car", "person");
  assert.equal(countWords(detections), "3 people, 2 cars, 1 bus");
});

test("nothing detected is nothing said", () => {
  assert.equal(countWords([]), "");
  assert.equal(countWords(undefined), "");
});

test("times are the camera's", () => {
  const noon = Date.UTC(2026, 0, 15, 12, 0, 5);
  assert.equal(timeIn(noon, "America/New_York"), "07:00");
  assert.equal(timeIn(noon, "Europe/Berlin", { seconds: true }), "13:00:05");
  assert.equal(timeIn(Date.UTC(2026, 0, 15, 0, 0, 0), "UTC"), "00:00");
});

test("another day in the camera's zone is named", () => {
  const late = Date.UTC(2026, 0, 15, 23, 30);
  assert.equal(timeIn(late, "UTC", { now: late + 3_600_000 }), "15 Jan 23:30");
  assert.equal(timeIn(late, "Europe/Berlin", { now: late + 3_600_000 }), "00:30");
});
