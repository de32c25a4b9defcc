import assert from "node:assert/strict";
import { test } from "node:test";

import { isOlder, parseFrame } from "../../../static/js/live/frames.js";

const HEADER = { timestamp: 1_700_000_000_000, run: 3, seq: 7, width: 640, height: 360, camera_id: "é", age_ms: 12 };

/** @param {unknown} header @param {number[]} jpeg */
function message(header, jpeg) {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const whole = new Uint8Array(4 + head.length + jpeg.length);
  new DataView(whole.buffer).setUint32(0, head.length);
  whole.set(head, 4);
  whole.set(jpeg, 4 + head.length);
  return whole.buffer;
}

test("a message is parsed into a header and a picture", () => {
  const { header, jpeg } = parseFrame(message(HEADER, [0xff, 0xd8, 0xff]));
  assert.deepEqual(header, HEADER);
  assert.deepEqual([...jpeg], [0xff, 0xd8, 0xff]);
});

test("the picture is not copied", () => {
  const whole = message(HEADER, [1, 2, 3]);
  assert.equal(parseFrame(whole).jpeg.buffer, whole);
});

test("a truncated message is rejected", () => {
  assert.throws(() => parseFrame(new ArrayBuffer(3)), RangeError);
  assert.throws(() => parseFrame(message(HEADER, [])), RangeError);
  assert.throws(() => parseFrame(message(HEADER, [1]).slice(0, 20)), RangeError);
});

test("a header that is not JSON is rejected", () => {
  const whole = message(HEADER, [1]);
  new Uint8Array(whole)[4] = 0x5b;
  assert.throws(() => parseFrame(whole), SyntaxError);
});

test("a header without an age is rejected", () => {
  const { age_ms: _, ...rest } = HEADER;
  assert.throws(() => parseFrame(message(rest, [1])), TypeError);
});

test("a frame of an older server, which numbers no runs, is of run 0", () => {
  const { run: _, ...rest } = HEADER;
  assert.equal(parseFrame(message(rest, [1])).header.run, 0);
});

test("frames are ordered by run and number, whatever their time", () => {
  const newest = { ...HEADER, run: 3, seq: 7, timestamp: 1000 };
  for (const [run, seq] of [[3, 6], [2, 9]]) assert.equal(isOlder({ ...newest, run, seq, timestamp: 9000 }, newest), true);
  for (const [run, seq] of [[3, 7], [3, 8], [4, 1]]) assert.equal(isOlder({ ...newest, run, seq, timestamp: 1 }, newest), false);
});
