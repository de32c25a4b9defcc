import assert from "node:assert/strict";
import { test } from "node:test";

import { placeLabels, rememberSides } from "../../../static/js/live/labels.js";

const BOUNDS = { x: 0, y: 0, width: 400, height: 300 };
const rect = (x, y, width, height) => ({ x, y, width, height });
const item = (id, box, width = 60, height = 16) => ({ id, box, width, height });
const place = (items, previous) => placeLabels(items, BOUNDS, previous);
const sides = (places) => places.map(({ side }) => side);

function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

test("a label is above its box", () => {
  assert.deepEqual(place([item(1, rect(100, 100, 50, 80))]), [{ side: "above", rect: rect(100, 84, 60, 16) }]);
});

test("at the right edge a label is shifted into the picture", () => {
  assert.deepEqual(place([item(1, rect(380, 100, 20, 80))])[0].rect, rect(340, 84, 60, 16));
});

test("without room above, a label is below its box", () => {
  assert.deepEqual(place([item(1, rect(100, 5, 50, 80))]), [{ side: "below", rect: rect(100, 85, 60, 16) }]);
});

test("without room above and below, a label is beside its box", () => {
  assert.deepEqual(place([item(1, rect(100, 0, 50, 300))]), [{ side: "right", rect: rect(150, 0, 60, 16) }]);
  assert.deepEqual(place([item(1, rect(350, 0, 50, 300))]), [{ side: "left", rect: rect(290, 0, 60, 16) }]);
});

test("a box that fills the picture has its label inside, at the edge", () => {
  assert.deepEqual(place([item(1, rect(0, 0, 400, 300))]), [{ side: "inside", rect: rect(0, 0, 60, 16) }]);
});

test("a label without any room becomes a mark", () => {
  const [, enclosed] = place([item(1, rect(0, 0, 400, 300)), item(2, rect(180, 140, 30, 30))]);
  assert.deepEqual(enclosed, { side: "mark", rect: null });
});

test("a label covers neither a box nor another label", () => {
  const crowd = Array.from({ length: 14 }, (_, at) =>
    item(at, rect(10 + ((at * 53) % 330), 20 + ((at * 71) % 200), 30, 70), 70, 17));
  const rects = place(crowd).flatMap(({ rect }) => (rect ? [rect] : []));
  assert.ok(rects.length >= 5);
  for (const [at, one] of rects.entries()) {
    assert.ok(one.x >= 0 && one.y >= 0 && one.x + one.width <= 400 && one.y + one.height <= 300);
    for (const other of rects.slice(at + 1)) assert.ok(!overlap(one, other));
    for (const { box } of crowd) assert.ok(!overlap(one, box));
  }
});

test("a label keeps its side while that is free", () => {
  const low = [item(7, rect(100, 5, 50, 80))];
  const first = place(low);
  const lower = [item(7, rect(100, 60, 50, 80))]; // now there is room above, too
  assert.deepEqual(sides(place(lower, rememberSides(low, first))), ["below"]);
  assert.deepEqual(sides(place(lower)), ["above"]);
});

test("a newcomer with a higher confidence does not move a label", () => {
  const known = item(3, rect(100, 100, 50, 80));
  const previous = rememberSides([known], place([known]));
  const newcomer = item(9, rect(112, 100, 36, 80));
  const [, kept] = place([newcomer, known], previous);
  assert.deepEqual(kept, { side: "above", rect: rect(100, 84, 60, 16) });
});

test("the order of the detections moves no label", () => {
  const items = [item(1, rect(100, 100, 50, 80)), item(2, rect(120, 105, 50, 80)), item(3, rect(150, 100, 50, 80))];
  const previous = rememberSides(items, place(items));
  const turned = [...items].reverse();
  assert.deepEqual(rememberSides(turned, place(turned, previous)), new Map([...previous].reverse()));
});

test("a mark becomes a label again only with room to spare", () => {
  const wall = item(1, rect(0, 100, 400, 200));
  const small = item(2, rect(100, 40, 30, 43));
  const neighbour = item(3, rect(36, 40, 30, 30));
  const sideOfSmall = (last) =>
    sides(place([small, wall, neighbour], new Map([[3, "above"], ...(last ? [[2, last]] : [])])))[0];
  assert.equal(sideOfSmall(), "above", "4 pixels beside the neighbour's label");
  assert.notEqual(sideOfSmall("mark"), "above");
});

test("boxes without an id are placed, and nothing is remembered of them", () => {
  const items = [item(null, rect(100, 100, 50, 80))];
  const places = place(items);
  assert.deepEqual(sides(places), ["above"]);
  assert.equal(rememberSides(items, places).size, 0);
});
