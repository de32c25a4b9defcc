import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_AREAS, MAX_CORNERS, newArea, rectangle } from "../../../static/js/masks/areas.js";
import { MaskModel } from "../../../static/js/masks/model.js";

const SQUARE = "[[[0.2,0.2],[0.4,0.2],[0.4,0.6],[0.2,0.6]]]";

test("unchanged areas are serialized as they were, without the hint to save", () => {
  const model = new MaskModel(SQUARE);
  assert.equal(model.text, SQUARE);
  assert.equal(model.countText(), "1 area.");
  assert.equal(new MaskModel("").countText(), "No area.");
});

test("a new area is selected, with the hint to save", () => {
  const model = new MaskModel(SQUARE);
  assert.equal(model.add(rectangle([0, 0], [0.1, 0.1])), "2 areas. The change takes effect when you save.");
  assert.deepEqual([model.areaIndex, model.cornerIndex], [1, -1]);
});

test("a move applies to the selected corner, or to the whole area", () => {
  const model = new MaskModel(SQUARE);
  model.select(0, 2);
  assert.equal(model.move(model.areas[0], [0.1, 0.1]), "Corner 3 of area 1: 50 % from the left, 70 % from the top.");
  assert.equal(model.text, "[[[0.2,0.2],[0.4,0.2],[0.5,0.7],[0.2,0.6]]]");
  model.select(0);
  model.move(model.areas[0], [-1, 0.1]);
  assert.equal(model.text, "[[[0,0.3],[0.2,0.3],[0.3,0.8],[0,0.7]]]");
});

test("a corner is added after the selected one, or in the longest edge", () => {
  const model = new MaskModel(SQUARE);
  model.select(0, 3);
  model.addCorner(1);
  assert.deepEqual([model.cornerIndex, model.areas[0][4]], [4, [0.2, 0.4]]);
  model.select(0);
  model.addCorner(1);
  assert.equal(model.cornerIndex, 2);
});

test("corners can be removed down to three; then only the area can", () => {
  const model = new MaskModel(SQUARE);
  model.select(0, 3);
  assert.equal(model.removeCorner(), "The corner is deleted; 3 are left.");
  assert.equal(model.cornerIndex, 2);
  assert.match(model.removeCorner(), /at least three corners/);
  assert.equal(model.removeArea(), "No area. The change takes effect when you save.");
  assert.deepEqual([model.areaIndex, model.cornerIndex, model.text], [-1, -1, "[]"]);
});

test("the numbers of areas and corners are limited", () => {
  const model = new MaskModel("");
  for (let count = 0; count < MAX_AREAS; count += 1) model.add(newArea(count));
  assert.equal(model.add(newArea(0)), "A camera has at most 16 areas.");
  assert.equal(model.areas.length, MAX_AREAS);
  while (model.areas[15].length < MAX_CORNERS) model.addCorner(1);
  assert.equal(model.addCorner(1), "An area has at most 32 corners.");
});

test("without a selection nothing changes", () => {
  const model = new MaskModel(SQUARE);
  assert.deepEqual([model.addCorner(1), model.removeCorner(), model.selectionText()], ["", "", ""]);
  assert.equal(model.text, SQUARE);
});
