import assert from "node:assert/strict";
import { test } from "node:test";

import { outcomeOf } from "../../../static/js/publish/publisher.js";

const problem = (status, detail, field) => ({ type: /** @type {const} */ ("problem"), status, detail, field });

test("an acknowledged frame is a success, a duplicate too", () => {
  const success = { ok: true, sentence: "", end: false, waitMs: 0 };
  assert.deepEqual(outcomeOf({ ack: 1 }), success);
  assert.deepEqual(outcomeOf({ ack: 1, duplicate: true, dropped: 2 }), success);
});

test("a clock that is off is said and ends the publishing", () => {
  const off = problem(400, "“timestamp” is over 60 s away from the server's clock.", "timestamp");
  const { end, sentence } = outcomeOf(off);
  assert.equal(end, true);
  assert.match(sentence, /clock is more than a minute off/);
});

test("what would be answered the same ends the publishing with the server's reason", () => {
  for (const status of [400, 409]) {
    const outcome = outcomeOf(problem(status, "This camera is switched off."));
    assert.equal(outcome.end, true);
    assert.equal(outcome.sentence, "This camera is switched off.");
  }
});

test("a busy server is tried again after a while", () => {
  const outcome = outcomeOf(problem(503, "No process is reading cameras just now."));
  assert.deepEqual([outcome.ok, outcome.end, outcome.waitMs], [false, false, 2000]);
  assert.equal(outcome.sentence, "No process is reading cameras just now.");
});
