import assert from "node:assert/strict";
import { test } from "node:test";

import { Arrival } from "../../../static/js/chat/arrival.js";
import { Clock } from "./clock.js";

/** What an arrival says of an answer. Times are milliseconds since the request, by the page's clock. */
function heldBack({ texts, end = texts.at(-1), firstMs = 300, wholeMs = 6000, ticks = [], discardAt = NaN }) {
  const clock = new Clock();
  const arrival = new Arrival(clock.now);
  const every = ticks.length ? ticks : Array.from({ length: Math.floor(end / 1000) }, (_, at) => 1000 * (at + 1));
  for (const at of every) clock.setTimeout(() => arrival.tick(), at);
  for (const at of texts) clock.setTimeout(() => arrival.text(), at);
  if (discardAt >= 0) clock.setTimeout(() => arrival.discard(), discardAt);
  clock.setTimeout(() => arrival.end(), end);
  clock.advance(end);
  return arrival.wasHeldBack(firstMs, wholeMs);
}

const AT_ONCE = { texts: [6100, 6110, 6200] };

test("an answer written over seconds that arrives at once was held back", () => {
  assert.equal(heldBack(AT_ONCE), true);
  assert.equal(heldBack({ texts: [6100] }), true, "in one read");
  assert.equal(heldBack({ texts: [16100] }), true, "and the server was slow to accept it");
});

test("an answer that arrives as it is written was not", () => {
  assert.equal(heldBack({ texts: [400, 2000, 4000, 6100] }), false);
  assert.equal(heldBack({ texts: [400], end: 6100 }), false, "one word, then a long silence of the model");
  assert.equal(heldBack({ texts: [5400, 5700, 6100] }), false, "the first part of it was late");
});

test("a fast model behind a slow server is not judged", () => {
  assert.equal(heldBack({ texts: [8000, 8050, 8100], firstMs: 20, wholeMs: 120 }), false);
  assert.equal(heldBack({ texts: [8000, 8100], firstMs: 5900, wholeMs: 6000 }), false, "slow to begin only");
});

test("a replay is not judged", () => {
  assert.equal(heldBack({ ...AT_ONCE, discardAt: 0 }), false, "of a page that was loaded");
  assert.equal(heldBack({ ...AT_ONCE, discardAt: 3000 }), false, "after a lost connection");
  assert.equal(heldBack({ texts: [200, 250], end: 300 }), false, "of a repeated request");
});

test("a page that hung or slept is not judged", () => {
  assert.equal(heldBack({ ...AT_ONCE, ticks: [1000, 6090] }), false);
  assert.equal(heldBack({ ...AT_ONCE, ticks: [1000, 2000] }), false, "until the end");
  assert.equal(heldBack({ ...AT_ONCE, ticks: [1000, 2500, 4000, 5500] }), true, "slow, but awake");
});

test("an answer of unknown duration is not judged", () => {
  assert.equal(heldBack({ ...AT_ONCE, wholeMs: NaN }), false);
  assert.equal(heldBack({ ...AT_ONCE, firstMs: NaN }), false);
  assert.equal(heldBack({ texts: [], end: 6100 }), false, "without a word");
});
