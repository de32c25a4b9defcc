import assert from "node:assert/strict";
import { test } from "node:test";

import * as geometry from "../../../static/js/masks/areas.js";

const SQUARE = geometry.rectangle([0.2, 0.2], [0.4, 0.6]);

test("a rectangle is upright whichever way it was drawn, and inside the picture", () => {
  const corners = [[0.2, 0.3], [0.6, 0.3], [0.6, 0.9], [0.2, 0.9]];
  assert.deepEqual(geometry.rectangle([0.2, 0.3], [0.6, 0.9]), corners);
  assert.deepEqual(geometry.rectangle([0.6, 0.9], [0.2, 0.3]), corners);
  assert.deepEqual(geometry.rectangle([-0.5, 0.5], [2, 1.5]), [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]);
});

test("an area that is moved keeps its shape at the picture's edge", () => {
  const there = geometry.moved(SQUARE, [5, -5]);
  assert.deepEqual(there.map(([x, y]) => [x.toFixed(6), y.toFixed(6)]), [
    ["0.800000", "0.000000"], ["1.000000", "0.000000"], ["1.000000", "0.400000"], ["0.800000", "0.400000"],
  ]);
});

test("a corner stays in the picture", () => {
  assert.deepEqual(geometry.withCorner(SQUARE, 2, [1.4, -0.1])[2], [1, 0]);
  assert.deepEqual(SQUARE[2], [0.4, 0.6]);
});

test("an edge is split in its middle, the last one too, and not beyond the most", () => {
  assert.deepEqual(geometry.split(SQUARE, 3)?.[4], [0.2, 0.4]);
  assert.deepEqual(geometry.split(SQUARE, 0)?.map(String), ["0.2,0.2", "0.30000000000000004,0.2", "0.4,0.2", "0.4,0.6", "0.2,0.6"]);
  let area = SQUARE;
  while (area.length < geometry.CORNERS_MOST) area = /** @type {any} */ (geometry.split(area, 0));
  assert.equal(geometry.split(area, 0), null);
});

test("three corners are the least", () => {
  const three = /** @type {any} */ (geometry.without(SQUARE, 1));
  assert.deepEqual(three, [[0.2, 0.2], [0.4, 0.6], [0.2, 0.6]]);
  assert.equal(geometry.without(three, 0), null);
});

test("the longest edge is that of the picture as it is seen", () => {
  const area = geometry.rectangle([0, 0], [0.5, 0.6]);
  assert.equal(geometry.longestEdge(area, 1), 1);
  assert.equal(geometry.longestEdge(area, 16 / 9), 0);
});

test("what the field holds is read and written again as the server takes it", () => {
  const text = "[[[0.1,0.2],[0.3333,0.2],[1,0]]]";
  assert.equal(geometry.written(geometry.read(text)), text);
  assert.equal(geometry.written([[[1 / 3, 2 / 3], [1.2, -0.4], [0.00001, 0.5]]]), "[[[0.3333,0.6667],[1,0],[0,0.5]]]");
  assert.equal(geometry.written(geometry.read("")), "[]");
});

test("nonsense in the field is no area", () => {
  for (const text of ["null", "{}", "[[]]", "[[[0,0],[1,1]]]", "[[[0,0],[1,1],[1]]]", '[[[0,0],[1,1],["a",1]]]', "[[[0,0],[1,1],[1,null]]]", "["]) {
    assert.deepEqual(geometry.read(text), [], text);
  }
});

test("new areas do not lie exactly on each other, and all inside", () => {
  const places = [0, 1, 2, 3, 4].map((count) => geometry.fresh(count));
  assert.equal(new Set(places.map(String)).size, 5);
  for (const area of places) for (const [x, y] of area) assert.ok(x > 0 && x < 1 && y > 0 && y < 1);
});

test("a place is told in whole per cent", () => {
  assert.equal(geometry.placeWords([0.254, 0.999]), "25 % from the left, 100 % from the top");
});
