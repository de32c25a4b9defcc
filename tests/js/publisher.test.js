import assert from "node:assert/strict";
import { test } from "node:test";

import { base64, outcomeOf } from "../../static/js/publisher.js";

test("an accepted frame is a success", () => {
  assert.deepEqual(outcomeOf(202, null), { ok: true, sentence: "", end: false, waitMs: 0 });
});

test("a clock that is off is said and ends the publishing", () => {
  const body = { detail: "“timestamp” is over 60 s away from the server's clock.", errors: { timestamp: ["…"] } };
  const { end, sentence } = outcomeOf(400, body);
  assert.equal(end, true);
  assert.match(sentence, /clock/);
});

test("a withdrawn right ends the publishing with the server's reason", () => {
  const outcome = outcomeOf(403, { detail: "Publishing to this camera needs the operator's role." });
  assert.equal(outcome.end, true);
  assert.equal(outcome.sentence, "Publishing to this camera needs the operator's role.");
});

test("a busy server is tried again, as late as it asks", () => {
  assert.equal(outcomeOf(503, null).end, false);
  assert.equal(outcomeOf(503, null).waitMs, 2000);
  assert.equal(outcomeOf(429, null, 7).waitMs, 7000);
});

test("large pictures become base64", async () => {
  const bytes = new Uint8Array(100_000).map((_, index) => index % 251);
  assert.equal(await base64(new Blob([bytes])), Buffer.from(bytes).toString("base64"));
});
