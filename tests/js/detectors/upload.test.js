import assert from "node:assert/strict";
import { test } from "node:test";

import { sendParts, MAX_ATTEMPTS } from "../../../static/js/detectors/upload.js";

const FILE = new Blob(["aaaa", "bbbb", "cc"]);

/** @param {(number: number, text: string) => any} answer */
async function upload(answer) {
  /** @type {[number, string][]} */
  const parts = [];
  /** @type {number[]} */
  const shares = [];
  let waits = 0;
  const refusal = await sendParts(FILE, {
    partSize: 4,
    send: async (number, data) => {
      const text = await data.text();
      parts.push([number, text]);
      return answer(number, text);
    },
    onProgress: (share) => shares.push(share),
    wait: async () => void waits++,
  });
  return { refusal, parts, shares, waits };
}

const accept = () => ({ status: 204 });

test("all parts are sent in order and progress is reported", async () => {
  const { refusal, parts, shares } = await upload(accept);
  assert.equal(refusal, "");
  assert.deepEqual(parts, [[0, "aaaa"], [1, "bbbb"], [2, "cc"]]);
  assert.deepEqual(shares, [0, 1 / 3, 2 / 3, 1]);
});

test("a part without a response is sent again", async () => {
  let failures = 2;
  const { refusal, parts, waits } = await upload((number) => {
    if (number === 1 && failures-- > 0) throw new Error("no network");
    return accept();
  });
  assert.equal(refusal, "");
  assert.equal(waits, 2);
  assert.equal(parts.filter(([number]) => number === 1).length, 3);
});

test("after the last attempt the upload ends with a sentence", async () => {
  const { refusal, waits } = await upload(() => ({ status: 503 }));
  assert.match(refusal, /cannot be reached/);
  assert.equal(waits, MAX_ATTEMPTS - 1);
});

test("a refused part is not sent again", async () => {
  const { refusal, parts } = await upload(() => ({ status: 409, detail: "Choose it again." }));
  assert.equal(refusal, "Choose it again.");
  assert.equal(parts.length, 1);
});
