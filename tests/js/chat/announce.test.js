import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "../../../static/js/chat/announce.js";

/** @param {import("../../../static/js/chat/answer.js").State[]} states */
function spoken(states) {
  const said = [];
  const region = {
    set textContent(text) {
      said.push((this.text = text));
    },
    get textContent() {
      return this.text;
    },
  };
  const announcer = new Announcer(/** @type {any} */ (region));
  for (const state of states) announcer.state(state);
  return said;
}
const state = (phase, words = "", status) => ({ phase, words, status });

test("the beginning and the end are spoken, the words are not", () => {
  assert.deepEqual(spoken([state("waiting"), state("streaming"), state("over", "", "complete")]), [
    "Answering.",
    "The answer is complete.",
  ]);
});

test("a lost connection is spoken once, and that it is back", () => {
  const lost = state("reconnecting", "Reconnecting, try 1 of 5");
  assert.deepEqual(spoken([state("waiting"), state("streaming"), lost, lost, lost, state("streaming")]), [
    "Answering.",
    "The connection was lost. Reconnecting.",
    "Connected again.",
  ]);
});

test("a failure is spoken with its reason", () => {
  assert.deepEqual(spoken([state("over", "The model does not answer.", "failed"), state("over", "You are signed out.")]), [
    "The answer failed. The model does not answer.",
    "You are signed out.",
  ]);
});

test("the same sentence twice is a change that is spoken twice", () => {
  const [first, second] = spoken([state("waiting"), state("waiting")]);
  assert.notEqual(first, second);
  assert.equal(second.trim(), first);
});
