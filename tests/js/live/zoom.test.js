import assert from "node:assert/strict";
import { test } from "node:test";

import {
  MAX_SCALE, WHOLE, bounded, panned, scaleText, wheelFactor, zoomed,
} from "../../../static/js/live/zoom.js";

const CANVAS = { width: 800, height: 450 };
const near = (view, wanted) => {
  for (const name of ["scale", "x", "y"]) assert.ok(Math.abs(view[name] - wanted[name]) < 1e-9, JSON.stringify(view));
};

test("zooming in the middle keeps the middle", () => {
  near(zoomed(WHOLE, 2, { x: 400, y: 225 }, CANVAS, CANVAS), { scale: 2, x: 0.5, y: 0.5 });
});

test("the point under the pointer stays where it is", () => {
  const anchor = { x: 600, y: 100 };
  const view = zoomed(WHOLE, 2, anchor, CANVAS, CANVAS);
  // The picture's point under the anchor was (0.75, 100 / 450), and still is.
  assert.ok(Math.abs(view.x + (anchor.x - 400) / (800 * 2) - 0.75) < 1e-9);
  assert.ok(Math.abs(view.y + (anchor.y - 225) / (450 * 2) - 100 / 450) < 1e-9);
  near(zoomed(view, 1.5, anchor, CANVAS, CANVAS), { scale: 3, x: 0.75 - 200 / 2400, y: 100 / 450 + 125 / 1350 });
});

test("no edge of the picture comes inside", () => {
  near(panned({ scale: 2, x: 0.5, y: 0.5 }, { x: 9000, y: -9000 }, CANVAS, CANVAS), { scale: 2, x: 0.25, y: 0.75 });
  near(zoomed({ scale: 4, x: 0.125, y: 0.125 }, 0.5, { x: 800, y: 450 }, CANVAS, CANVAS), { scale: 2, x: 0.25, y: 0.25 });
});

test("a drag moves the picture by as many pixels", () => {
  near(panned({ scale: 2, x: 0.5, y: 0.5 }, { x: 80, y: 45 }, CANVAS, CANVAS), { scale: 2, x: 0.45, y: 0.45 });
});

test("the scale is limited on both ends", () => {
  assert.equal(zoomed(WHOLE, 100, { x: 0, y: 0 }, CANVAS, CANVAS).scale, MAX_SCALE);
  assert.equal(zoomed({ scale: 2, x: 0.3, y: 0.3 }, 0.1, { x: 0, y: 0 }, CANVAS, CANVAS), WHOLE);
});

test("a side that fits stays centred", () => {
  const portrait = { width: 250, height: 450 };
  near(bounded({ scale: 2, x: 0.1, y: 0.1 }, portrait, CANVAS), { scale: 2, x: 0.5, y: 0.25 });
});

test("a turn of the wheel zooms by a quarter, in pixels or in lines", () => {
  const turn = (deltaY, deltaMode = 0, ctrlKey = false) => wheelFactor({ deltaY, deltaMode, ctrlKey });
  assert.equal(turn(-100), 1.25);
  assert.ok(Math.abs(turn(-3, 1) - 1.25) < 0.01);
  assert.equal(turn(-100) * turn(100), 1);
  assert.ok(turn(-9000) < 1.8, "one event never jumps");
  assert.ok(turn(-5, 0, true) > turn(-5), "a pinch has small steps");
});

test("the scale is shown with one decimal", () => {
  assert.equal(scaleText(1.8), "1.8×");
  assert.equal(scaleText(1), "1.0×");
});
