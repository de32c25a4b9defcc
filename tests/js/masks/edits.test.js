import assert from "node:assert/strict";
import { test } from "node:test";

import { AREAS_MOST, CORNERS_MOST, fresh, rectangle } from "../../../static/js/masks/areas.js";
import { Edits } from "../../../static/js/masks/edits.js";

const SQUARE = "[[[0.2,0.2],[0.4,0.2],[0.4,0.6],[0.2,0.6]]]";

test("what was not changed is written as it was read, and said so", () => {
  const edits = new Edits(SQUARE);
  assert.equal(edits.text, SQUARE);
  assert.equal(edits.countWords(), "1 area.");
  assert.equal(new Edits("").countWords(), "No area.");
});

test("a new area is chosen, and takes effect when it is saved", () => {
  const edits = new Edits(SQUARE);
  assert.equal(edits.add(rectangle([0, 0], [0.1, 0.1])), "2 areas. The change takes effect when you save.");
  assert.deepEqual([edits.area, edits.corner], [1, -1]);
});

test("what is chosen moves: a corner alone, or the area with all of them", () => {
  const edits = new Edits(SQUARE);
  edits.choose(0, 2);
  assert.equal(edits.move(edits.areas[0], [0.1, 0.1]), "Corner 3 of area 1: 50 % from the left, 70 % from the top.");
  assert.equal(edits.text, "[[[0.2,0.2],[0.4,0.2],[0.5,0.7],[0.2,0.6]]]");
  edits.choose(0);
  edits.move(edits.areas[0], [-1, 0.1]);
  assert.equal(edits.text, "[[[0,0.3],[0.2,0.3],[0.3,0.8],[0,0.7]]]");
});

test("a corner is added after the chosen one, or in the longest edge", () => {
  const edits = new Edits(SQUARE);
  edits.choose(0, 3);
  edits.split(1);
  assert.deepEqual([edits.corner, edits.areas[0][4]], [4, [0.2, 0.4]]);
  edits.choose(0);
  edits.split(1);
  assert.equal(edits.corner, 2);
});

test("corners go down to three, and then only the area goes", () => {
  const edits = new Edits(SQUARE);
  edits.choose(0, 3);
  assert.equal(edits.removeCorner(), "The corner is deleted; 3 are left.");
  assert.equal(edits.corner, 2);
  assert.match(edits.removeCorner(), /at least three corners/);
  assert.equal(edits.removeArea(), "No area. The change takes effect when you save.");
  assert.deepEqual([edits.area, edits.corner, edits.text], [-1, -1, "[]"]);
});

test("there are at most so many areas, and corners", () => {
  const edits = new Edits("");
  for (let count = 0; count < AREAS_MOST; count += 1) edits.add(fresh(count));
  assert.equal(edits.add(fresh(0)), "A camera has at most 16 areas.");
  assert.equal(edits.areas.length, AREAS_MOST);
  while (edits.areas[15].length < CORNERS_MOST) edits.split(1);
  assert.equal(edits.split(1), "An area has at most 32 corners.");
});

test("nothing chosen, nothing done", () => {
  const edits = new Edits(SQUARE);
  assert.deepEqual([edits.split(1), edits.removeCorner(), edits.placeWords()], ["", "", ""]);
  assert.equal(edits.text, SQUARE);
});
