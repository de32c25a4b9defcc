import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader } from "../../../static/js/chat/events.js";

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);
const read = (/** @type {EventReader} */ reader, /** @type {Uint8Array} */ part) => [...reader.feed(part)];
const chunk = (/** @type {string} */ text) => ({ type: "chunk", text });
const STREAM =
  ": ping\n" +
  `id: 1\ndata: ${JSON.stringify({ type: "start", message_id: "m" })}\n\n` +
  `id: 2\r\ndata: ${JSON.stringify(chunk("Grüße 🏀 "))}\r\n\r\n` +
  `: ping\r\r` +
  `id: 3\rdata: ${JSON.stringify(chunk("data: x\n\nid: 9"))}\r\r` +
  `event: message\nretry: 5\nnonsense\nid: 4\ndata:{"type":\ndata: "done"}\n\n`;
const EVENTS = [
  { id: 1, event: { type: "start", message_id: "m" } },
  { id: 2, event: chunk("Grüße 🏀 ") },
  { id: 3, event: chunk("data: x\n\nid: 9") },
  { id: 4, event: { type: "done" } },
];

test("a whole stream is parsed", () => {
  assert.deepEqual(read(new EventReader(), bytes(STREAM)), EVENTS);
});

test("a stream cut in two at any byte is parsed the same", () => {
  const all = bytes(STREAM);
  for (let at = 0; at <= all.length; at += 1) {
    const reader = new EventReader();
    assert.deepEqual([...reader.feed(all.subarray(0, at)), ...reader.feed(all.subarray(at))], EVENTS, `cut at ${at}`);
  }
});

test("a stream in single bytes is parsed the same", () => {
  const reader = new EventReader();
  assert.deepEqual([...bytes(STREAM)].flatMap((byte) => read(reader, Uint8Array.of(byte))), EVENTS);
});

test("an event is complete only after an empty line", () => {
  const reader = new EventReader();
  assert.deepEqual(read(reader, bytes(`id: 7\ndata: {"type":"done"}\n`)), []);
  assert.deepEqual(read(reader, bytes("\n")), [{ id: 7, event: { type: "done" } }]);
});

test("an event without an id does not inherit the id before it", () => {
  const events = read(new EventReader(), bytes(`id: 7\ndata: {"type":"x"}\n\ndata: {"type":"y"}\n\nid: z\ndata: {"type":"z"}\n\n`));
  assert.deepEqual(
    events.map(({ id }) => id),
    [7, null, null],
  );
});

test("an unfinished line over the limit is an error", () => {
  const reader = new EventReader();
  const part = bytes("x".repeat(64 * 1024));
  assert.throws(() => {
    for (let fed = 0; fed < 32; fed += 1) read(reader, part);
  }, /too long/);
});

test("an event over the limit and an event that is not JSON are errors", () => {
  const reader = new EventReader();
  const line = bytes(`data: ${"x".repeat(64 * 1024)}\n`);
  assert.throws(() => {
    for (let fed = 0; fed < 32; fed += 1) read(reader, line);
  }, /too long/);
  assert.throws(() => read(new EventReader(), bytes("data: {\n\n")), SyntaxError);
});
