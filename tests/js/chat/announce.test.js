import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "../../../static/js/chat/announce.js";

/** @param {import("../../../static/js/chat/answer.js").State[]} states */
function announced(states) {
  const texts = [];
  const region = {
    set textContent(text) {
      texts.push((this.text = text));
    },
    get textContent() {
      return this.text;
    },
  };
  const announcer = new Announcer(/** @type {any} */ (region));
  for (const state of states) announcer.announceState(state);
  return texts;
}
const state = (phase, message = "", status) => ({ phase, message, status });

test("start and end are announced, the text is not", () => {
  assert.deepEqual(announced([state("waiting"), state("streaming"), state("ended", "", "complete")]), [
    "Answering.",
    "The answer is complete.",
  ]);
});

test("a lost connection and its return are announced once", () => {
  const lost = state("reconnecting", "Reconnecting, try 1 of 5");
  assert.deepEqual(announced([state("waiting"), state("streaming"), lost, lost, lost, state("streaming")]), [
    "Answering.",
    "The connection was lost. Reconnecting.",
    "Connected again.",
  ]);
});

test("a failure is announced with its reason", () => {
  assert.deepEqual(announced([state("ended", "The model does not answer.", "failed"), state("ended", "You are signed out.")]), [
    "The answer failed. The model does not answer.",
    "You are signed out.",
  ]);
});

test("a repeated sentence changes the region, so that it is announced again", () => {
  const [first, second] = announced([state("waiting"), state("waiting")]);
  assert.notEqual(first, second);
  assert.equal(second.trim(), first);
});
