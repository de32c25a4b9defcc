import assert from "node:assert/strict";
import { test } from "node:test";

import {
  currentDetections, detectionCount, detectionFact, detectionGap,
} from "../../../static/js/live/detection-state.js";

const PERSON = { class: "person", confidence: 0.9, bbox: [1, 2, 3, 4] };
const header = (fields) => ({ timestamp: 10_000, ...fields });

test("boxes of the picture itself are drawn and counted", () => {
  const frame = header({ detections: [PERSON], detected_at: 9500, detecting: "on" });
  assert.deepEqual(currentDetections(frame), [PERSON]);
  assert.equal(detectionCount(frame), "1 person");
  assert.equal(detectionFact(frame), "on");
});

test("boxes that are older than half a second are neither drawn nor counted", () => {
  const frame = header({ detections: [PERSON], detected_at: 8600, detecting: "behind" });
  assert.deepEqual(currentDetections(frame), []);
  assert.equal(detectionCount(frame), "detection 1.4 s behind");
  assert.equal(detectionFact(frame), "1.4 s behind");
});

test("nothing detected is told apart from not looked", () => {
  assert.equal(detectionCount(header({ detections: [], detected_at: 9900, detecting: "on" })), "Nothing detected");
  assert.equal(detectionCount(header({ detections: [], detecting: "paused" })), "detection paused");
  assert.equal(detectionCount(header({ detecting: "behind" })), "detection behind");
  assert.equal(detectionFact(header({ detecting: "paused" })), "paused");
});

test("a camera without detection counts nothing", () => {
  assert.equal(detectionCount(header({ detecting: "off" })), "");
  assert.equal(detectionFact(header({ detecting: "off" })), "off");
});

test("without the fields of a newer server, boxes are drawn and counted as they come", () => {
  assert.deepEqual(currentDetections(header({ detections: [PERSON] })), [PERSON]);
  assert.equal(detectionCount(header({ detections: [PERSON, PERSON] })), "2 people");
  assert.equal(detectionCount(header({ detections: [] })), "");
  assert.equal(detectionGap(header({ detections: [] })), "");
  assert.deepEqual([detectionFact(header({ detections: [] })), detectionFact(header({}))], ["on", "off"]);
});
