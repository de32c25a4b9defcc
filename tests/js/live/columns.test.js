import assert from "node:assert/strict";
import { test } from "node:test";

import { largestGrid } from "../../../static/js/live/columns.js";

const GAP = 8;
const RATIO = 16 / 9;

test("one tile is as large as the window", () => {
  assert.deepEqual(largestGrid(1, 1600, 900, { gap: 0 }), { columns: 1, tile: 1600, scrolls: false });
  assert.equal(largestGrid(1, 2000, 900, { gap: 0 }).tile, 1600);
  assert.equal(largestGrid(1, 390, 700).tile, 390);
});

test("no other number of columns has larger tiles, and the rows fit", () => {
  for (const [width, height] of [[1812, 1030], [1332, 850], [820, 330], [760, 960]]) {
    for (let count = 1; count <= 30; count += 1) {
      const { columns, tile, scrolls } = largestGrid(count, width, height, { least: 0, comfortable: 0 });
      assert.equal(scrolls, false);
      const rows = Math.ceil(count / columns);
      assert.ok(columns * tile + (columns - 1) * GAP <= width + 1e-6, `${count} in ${width}`);
      assert.ok((rows * tile) / RATIO + (rows - 1) * GAP <= height + 1e-6, `${count} in ${height}`);
      for (let other = 1; other <= count; other += 1) {
        const byWidth = (width - GAP * (other - 1)) / other;
        const lines = Math.ceil(count / other);
        const byHeight = ((height - GAP * (lines - 1)) / lines) * RATIO;
        assert.ok(tile >= Math.min(byWidth, byHeight) - 1e-6, `${count}: ${other} columns are better`);
      }
    }
  }
});

test("thirty tiles fit a desktop without scrolling", () => {
  assert.equal(largestGrid(30, 1812, 1030).columns, 6);
  assert.equal(largestGrid(30, 1332, 850).scrolls, false);
});

test("where tiles would be too small the page scrolls, with larger ones", () => {
  const phone = largestGrid(5, 390, 700);
  assert.deepEqual(phone, { columns: 1, tile: 390, scrolls: true });
  const low = largestGrid(30, 1332, 400);
  assert.ok(low.scrolls && low.tile >= 320);
});

test("an area without height or without tiles has a grid, too", () => {
  assert.equal(largestGrid(3, 390, -20).columns, 1);
  assert.equal(largestGrid(0, 1000, 500).columns, 1);
});
