import assert from "node:assert/strict";
import { test } from "node:test";

import * as geometry from "../../../static/js/masks/areas.js";

const SQUARE = geometry.rectangle([0.2, 0.2], [0.4, 0.6]);

test("a rectangle is the same from any two opposite corners, and inside the picture", () => {
  const corners = [[0.2, 0.3], [0.6, 0.3], [0.6, 0.9], [0.2, 0.9]];
  assert.deepEqual(geometry.rectangle([0.2, 0.3], [0.6, 0.9]), corners);
  assert.deepEqual(geometry.rectangle([0.6, 0.9], [0.2, 0.3]), corners);
  assert.deepEqual(geometry.rectangle([-0.5, 0.5], [2, 1.5]), [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]);
});

test("a moved area keeps its shape at the picture's edge", () => {
  const moved = geometry.translate(SQUARE, [5, -5]);
  assert.deepEqual(moved.map(([x, y]) => [x.toFixed(6), y.toFixed(6)]), [
    ["0.800000", "0.000000"], ["1.000000", "0.000000"], ["1.000000", "0.400000"], ["0.800000", "0.400000"],
  ]);
});

test("a corner stays in the picture", () => {
  assert.deepEqual(geometry.replaceCorner(SQUARE, 2, [1.4, -0.1])[2], [1, 0]);
  assert.deepEqual(SQUARE[2], [0.4, 0.6]);
});

test("an edge is split at its midpoint, up to the maximum of corners", () => {
  assert.deepEqual(geometry.splitEdge(SQUARE, 3)?.[4], [0.2, 0.4]);
  assert.deepEqual(geometry.splitEdge(SQUARE, 0)?.map(String), ["0.2,0.2", "0.30000000000000004,0.2", "0.4,0.2", "0.4,0.6", "0.2,0.6"]);
  let area = SQUARE;
  while (area.length < geometry.MAX_CORNERS) area = /** @type {any} */ (geometry.splitEdge(area, 0));
  assert.equal(geometry.splitEdge(area, 0), null);
});

test("an area keeps at least three corners", () => {
  const triangle = /** @type {any} */ (geometry.removeCorner(SQUARE, 1));
  assert.deepEqual(triangle, [[0.2, 0.2], [0.4, 0.6], [0.2, 0.6]]);
  assert.equal(geometry.removeCorner(triangle, 0), null);
});

test("the longest edge depends on the picture's aspect ratio", () => {
  const area = geometry.rectangle([0, 0], [0.5, 0.6]);
  assert.equal(geometry.longestEdge(area, 1), 1);
  assert.equal(geometry.longestEdge(area, 16 / 9), 0);
});

test("areas are parsed and serialized in the format of the server", () => {
  const text = "[[[0.1,0.2],[0.3333,0.2],[1,0]]]";
  assert.equal(geometry.serializeAreas(geometry.parseAreas(text)), text);
  assert.equal(geometry.serializeAreas([[[1 / 3, 2 / 3], [1.2, -0.4], [0.00001, 0.5]]]), "[[[0.3333,0.6667],[1,0],[0,0.5]]]");
  assert.equal(geometry.serializeAreas(geometry.parseAreas("")), "[]");
});

test("invalid values of the field are skipped", () => {
  for (const text of ["null", "{}", "[[]]", "[[[0,0],[1,1]]]", "[[[0,0],[1,1],[1]]]", '[[[0,0],[1,1],["a",1]]]', "[[[0,0],[1,1],[1,null]]]", "["]) {
    assert.deepEqual(geometry.parseAreas(text), [], text);
  }
});

test("new areas have different positions inside the picture", () => {
  const areas = [0, 1, 2, 3, 4].map((count) => geometry.newArea(count));
  assert.equal(new Set(areas.map(String)).size, 5);
  for (const area of areas) for (const [x, y] of area) assert.ok(x > 0 && x < 1 && y > 0 && y < 1);
});

test("a position is shown in whole per cent", () => {
  assert.equal(geometry.positionText([0.254, 0.999]), "25 % from the left, 100 % from the top");
});
