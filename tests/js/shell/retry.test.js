import assert from "node:assert/strict";
import { test } from "node:test";

import { finalWord, refusalCode, waitBefore, waitingWords } from "../../../static/js/shell/retry.js";

test("five quick tries double their wait from one second", () => {
  assert.deepEqual([1, 2, 3, 4, 5].map((n) => waitBefore(n)), [1000, 2000, 4000, 8000, 16_000]);
});

test("later tries come about every thirty seconds, for ever", () => {
  assert.equal(waitBefore(6, 0.5), 30_000);
  assert.equal(waitBefore(600, 0), 25_000);
  assert.equal(waitBefore(600, 1), 35_000);
});

test("what would be answered the same is not retried", () => {
  assert.equal(finalWord(4401), "Signed out");
  assert.equal(finalWord(4403), "You may no longer watch this camera");
  assert.equal(finalWord(4404), "This camera is gone");
});

test("a restart, a crash and a dead network are retried", () => {
  for (const code of [1000, 1001, 1006, 1011, 4408, 4429]) assert.equal(finalWord(code), null);
});

test("the wait is said", () => {
  assert.equal(waitingWords(2, 1500), "Reconnecting, try 2 of 5");
  assert.equal(waitingWords(6, 23_400), "No connection. Next try in 24 s");
  assert.equal(waitingWords(6, 0), "Reconnecting");
});

test("a refused handshake is explained by what HTTP answers, and by nothing else", async (t) => {
  const answers = [401, 403, 404, 410, 200, 503];
  t.mock.method(globalThis, "fetch", async () => ({ status: answers.shift() }));
  const codes = [];
  while (answers.length) codes.push(await refusalCode("/detail"));
  assert.deepEqual(codes, [4401, 4403, 4404, 4401, undefined, undefined]);
});
