import assert from "node:assert/strict";
import { test } from "node:test";

import { Rate } from "../../../static/js/live/rate.js";

test("a steady rate is measured", () => {
  const rate = new Rate();
  for (let at = 0; at <= 5000; at += 100) rate.count(at);
  assert.ok(Math.abs(rate.perSecond(5000) - 10) < 0.3);
});

test("without events the rate falls to zero", () => {
  const rate = new Rate();
  for (let at = 0; at <= 5000; at += 100) rate.count(at);
  assert.equal(rate.perSecond(10_001), 0);
});

test("the rate is zero in the first second", () => {
  const rate = new Rate();
  rate.count(0);
  rate.count(10);
  assert.equal(rate.perSecond(20), 0);
});
