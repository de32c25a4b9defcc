import assert from "node:assert/strict";
import { test } from "node:test";

import { sendParts, TRIES } from "../../../static/js/shell/upload.js";

const FILE = new Blob(["aaaa", "bbbb", "cc"]);

/** @param {(number: number, text: string) => any} answered */
async function sent(answered) {
  /** @type {[number, string][]} */
  const parts = [];
  /** @type {number[]} */
  const shares = [];
  let waits = 0;
  const refusal = await sendParts(FILE, {
    part: 4,
    send: async (number, data) => {
      const text = await data.text();
      parts.push([number, text]);
      return answered(number, text);
    },
    told: (share) => shares.push(share),
    wait: async () => void waits++,
  });
  return { refusal, parts, shares, waits };
}

const taken = (/** @type {number} */ number) => ({ status: 200, due: number + 1 });

test("all parts go in their order and progress is told", async () => {
  const { refusal, parts, shares } = await sent(taken);
  assert.equal(refusal, "");
  assert.deepEqual(parts, [[0, "aaaa"], [1, "bbbb"], [2, "cc"]]);
  assert.deepEqual(shares, [0, 1 / 3, 2 / 3, 1]);
});

test("a part that got no answer is sent again", async () => {
  let failures = 2;
  const { refusal, parts, waits } = await sent((number) => {
    if (number === 1 && failures-- > 0) throw new Error("no network");
    return taken(number);
  });
  assert.equal(refusal, "");
  assert.equal(waits, 2);
  assert.equal(parts.filter(([number]) => number === 1).length, 3);
});

test("a server that stays away ends it with a sentence", async () => {
  const { refusal, waits } = await sent(() => ({ status: 503 }));
  assert.match(refusal, /cannot be reached/);
  assert.equal(waits, TRIES - 1);
});

test("a refusal is not tried again", async () => {
  const { refusal, parts } = await sent(() => ({ status: 409, detail: "Choose it again." }));
  assert.equal(refusal, "Choose it again.");
  assert.equal(parts.length, 1);
});
