import assert from "node:assert/strict";
import { test } from "node:test";
import { tileQuery } from "../../../static/js/live/variant.js";

test("a tile requests the smallest sufficient width", () => {
  assert.equal(tileQuery(200, 4), "?fps=10&width=320");
  assert.equal(tileQuery(400, 4), "?fps=10&width=320");
  assert.equal(tileQuery(401, 4), "?fps=10&width=640");
  assert.equal(tileQuery(800, 4), "?fps=10&width=640");
});

test("a tile larger than any variant requests the camera's own width", () => {
  assert.equal(tileQuery(1400, 1), "?fps=10");
});

test("many tiles request a lower frame rate", () => {
  assert.equal(tileQuery(300, 9), "?fps=10&width=320");
  assert.equal(tileQuery(300, 10), "?fps=5&width=320");
});
