import assert from "node:assert/strict";
import { test } from "node:test";

import { formatTime } from "../../../static/js/live/time.js";
import { detectionSummary, pluralize } from "../../../static/js/live/counts.js";

const detected = (...names) => names.map((name) => ({ class: name }));

test("nouns have a singular and a plural", () => {
  assert.equal(pluralize(1, "person"), "1 person");
  assert.equal(pluralize(3, "person"), "3 people");
  assert.equal(pluralize(2, "bus"), "2 buses");
  assert.equal(pluralize(2, "car"), "2 cars");
  assert.equal(pluralize(2, "sheep"), "2 sheep");
});

test("the three most frequent classes are listed, most frequent first", () => {
  const detections = detected("dog", "person", "car", "person", "bus", "car", "person");
  assert.equal(detectionSummary(detections), "3 people, 2 cars, 1 bus");
});

test("without detections the summary is empty", () => {
  assert.equal(detectionSummary([]), "");
  assert.equal(detectionSummary(undefined), "");
});

test("times are in the camera's time zone", () => {
  const noon = Date.UTC(2026, 0, 15, 12, 0, 5);
  assert.equal(formatTime(noon, "America/New_York"), "07:00");
  assert.equal(formatTime(noon, "Europe/Berlin", { seconds: true }), "13:00:05");
  assert.equal(formatTime(Date.UTC(2026, 0, 15, 0, 0, 0), "UTC"), "00:00");
});

test("the day is added if it is another day in the camera's time zone", () => {
  const late = Date.UTC(2026, 0, 15, 23, 30);
  assert.equal(formatTime(late, "UTC", { now: late + 3_600_000 }), "15 Jan 23:30");
  assert.equal(formatTime(late, "Europe/Berlin", { now: late + 3_600_000 }), "00:30");
});
