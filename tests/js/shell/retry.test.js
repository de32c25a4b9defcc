import assert from "node:assert/strict";
import { test } from "node:test";

import { finalReason, refusalCode, retryDelay, retryMessage } from "../../../static/js/shell/retry.js";

test("the delay doubles from one second for five attempts", () => {
  assert.deepEqual([1, 2, 3, 4, 5].map((n) => retryDelay(n)), [1000, 2000, 4000, 8000, 16_000]);
});

test("later attempts come about every thirty seconds, without end", () => {
  assert.equal(retryDelay(6, 0.5), 30_000);
  assert.equal(retryDelay(600, 0), 25_000);
  assert.equal(retryDelay(600, 1), 35_000);
});

test("final close codes are not retried", () => {
  assert.equal(finalReason(4401), "Signed out");
  assert.equal(finalReason(4403), "You may no longer watch this camera");
  assert.equal(finalReason(4404), "This camera is gone");
});

test("a restart, a crash and a network failure are retried", () => {
  for (const code of [1000, 1001, 1006, 1011, 4408, 4429]) assert.equal(finalReason(code), null);
});

test("the message says which attempt comes, or when", () => {
  assert.equal(retryMessage(2, 1500), "Reconnecting, try 2 of 5");
  assert.equal(retryMessage(6, 23_400), "No connection. Next try in 24 s");
  assert.equal(retryMessage(6, 0), "Reconnecting");
});

test("the HTTP status tells why a handshake was refused", async (t) => {
  const answers = [401, 403, 404, 410, 200, 503];
  t.mock.method(globalThis, "fetch", async () => ({ status: answers.shift() }));
  const codes = [];
  while (answers.length) codes.push(await refusalCode("/detail"));
  assert.deepEqual(codes, [4401, 4403, 4404, 4401, undefined, undefined]);
});
