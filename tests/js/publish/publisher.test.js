import assert from "node:assert/strict";
import { test } from "node:test";

import { nextTimestamp, toOutcome } from "../../../static/js/publish/publisher.js";

const problem = (status, detail, field) => ({ type: /** @type {const} */ ("problem"), status, detail, field });

test("an acknowledged frame is a success, also a duplicate", () => {
  const success = { ok: true, sentence: "", isFinal: false, waitMs: 0 };
  assert.deepEqual(toOutcome({ ack: 1 }), success);
  assert.deepEqual(toOutcome({ ack: 1, duplicate: true, dropped: 2 }), success);
});

test("a wrong clock ends publishing with a sentence", () => {
  const off = problem(400, "“timestamp” is over 60 s away from the server's clock.", "timestamp");
  const { isFinal, sentence } = toOutcome(off);
  assert.equal(isFinal, true);
  assert.match(sentence, /clock is more than a minute off/);
});

test("a permanent refusal ends publishing with the server's reason", () => {
  for (const status of [400, 409]) {
    const outcome = toOutcome(problem(status, "This camera is switched off."));
    assert.equal(outcome.isFinal, true);
    assert.equal(outcome.sentence, "This camera is switched off.");
  }
});

test("a temporary refusal is retried after a pause", () => {
  const outcome = toOutcome(problem(503, "The server takes no pictures just now."));
  assert.deepEqual([outcome.ok, outcome.isFinal, outcome.waitMs], [false, false, 2000]);
  assert.equal(outcome.sentence, "The server takes no pictures just now.");
});

test("times of pictures rise, and follow a clock that is set back", () => {
  assert.equal(nextTimestamp(5000, 4900), 5000);
  assert.equal(nextTimestamp(5000, 5000), 5001);
  assert.equal(nextTimestamp(5000, 5400), 5401, "a small correction");
  assert.equal(nextTimestamp(5000, 3_605_000), 5000);
});
