import assert from "node:assert/strict";
import { test } from "node:test";

import { formatDelay, refusalSentence } from "../../../static/js/chat/refusals.js";

const response = (/** @type {Record<string, string>} */ headers) => /** @type {any} */ ({ headers: new Headers(headers) });

test("a refusal with Retry-After says when to try again", () => {
  const message = "Stream error: 429. Your tokens for today are used up.";
  assert.equal(refusalSentence({ message, code: 429 }, response({ "Retry-After": "7200" })), `${message} Next try: in 2 hours.`);
});

test("a refusal without Retry-After shows the server's message", () => {
  assert.equal(refusalSentence({ message: "Stream error: 413. Too long.", code: 413 }, response({})), "Stream error: 413. Too long.");
  assert.equal(refusalSentence({ message: "Stream error: 400", code: 400 }), "Stream error: 400");
});

test("a signed-out user reads that the message is kept", () => {
  assert.match(refusalSentence({ message: "", code: 401 }), /signed out.*kept/);
});

test("delays are in seconds, minutes or hours", () => {
  assert.deepEqual([5, 89, 90, 3000, 7200].map(formatDelay), ["in 5 s", "in 89 s", "in 2 minutes", "in 50 minutes", "in 2 hours"]);
});
