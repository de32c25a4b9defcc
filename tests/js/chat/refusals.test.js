import assert from "node:assert/strict";
import { test } from "node:test";

import { inWords, refusalOf } from "../../../static/js/chat/refusals.js";

const answer = (/** @type {Record<string, string>} */ headers) => /** @type {any} */ ({ headers: new Headers(headers) });

test("a refusal with a time says when to try again", () => {
  const words = "Stream error: 429. Your tokens for today are used up.";
  assert.equal(refusalOf({ words, code: 429 }, answer({ "Retry-After": "7200" })), `${words} Next try: in 2 hours.`);
});

test("a refusal without a time is what the server said", () => {
  assert.equal(refusalOf({ words: "Stream error: 413. Too long.", code: 413 }, answer({})), "Stream error: 413. Too long.");
  assert.equal(refusalOf({ words: "Stream error: 400", code: 400 }), "Stream error: 400");
});

test("whoever is signed out is told that nothing is lost", () => {
  assert.match(refusalOf({ words: "", code: 401 }), /signed out.*kept/);
});

test("times are told in the unit that fits", () => {
  assert.deepEqual([5, 89, 90, 3000, 7200].map(inWords), ["in 5 s", "in 89 s", "in 2 minutes", "in 50 minutes", "in 2 hours"]);
});
