import assert from "node:assert/strict";
import { test } from "node:test";

import { canvasBox, fit, labelText, visiblePart, zoomPlace } from "../../../static/js/live/boxes.js";

test("a picture with the same aspect ratio fills its box", () => {
  assert.deepEqual(fit(1280, 720, 640, 360), { x: 0, y: 0, width: 640, height: 360, scale: 0.5 });
});

test("a 4:3 picture has bars left and right", () => {
  const place = fit(640, 480, 1600, 900);
  assert.deepEqual(place, { x: 200, y: 0, width: 1200, height: 900, scale: 1.875 });
});

test("a portrait picture has bars left and right", () => {
  const place = fit(720, 1280, 1600, 900);
  assert.equal(place.height, 900);
  assert.equal(place.y, 0);
  assert.ok(Math.abs(place.x * 2 + place.width - 1600) < 1e-9);
});

test("boxes are moved and scaled with the picture", () => {
  const box = canvasBox([10, 20, 30, 40], { x: 100, y: 5, scale: 2 });
  assert.deepEqual(box, { x: 120, y: 45, width: 60, height: 80 });
});

test("a box that is not four finite numbers is not drawn", () => {
  const place = { x: 0, y: 0, scale: 1 };
  assert.equal(canvasBox([1, 2, 3], place), null);
  assert.equal(canvasBox([1, 2, 3, NaN], place), null);
  assert.equal(canvasBox(/** @type {any} */ (undefined), place), null);
});

test("a zoomed picture is placed around the point in the middle", () => {
  const whole = fit(1280, 720, 640, 360);
  const place = zoomPlace(whole, { scale: 2, x: 0.25, y: 0.5 }, 640, 360);
  assert.deepEqual(place, { x: 0, y: -180, width: 1280, height: 720, scale: 1 });
  assert.deepEqual(visiblePart(place, 640, 360), { x: 0, y: 0, width: 640, height: 360 });
});

test("the bars beside a picture are not a part of it", () => {
  const place = zoomPlace(fit(640, 480, 1600, 900), { scale: 1.1, x: 0.5, y: 0.5 }, 1600, 900);
  assert.deepEqual(
    Object.values(visiblePart(place, 1600, 900)).map(Math.round),
    [140, 0, 1320, 900],
  );
});

test("a label has the format of the seed", () => {
  assert.equal(labelText({ class: "person", confidence: 0.874 }), "person (87%)");
});
