/** How many columns give the largest tiles. Pure functions; lengths in CSS pixels. */

/**
 * @typedef {{columns: number, tile: number, scrolls: boolean}} Grid `tile`: width of one tile;
 *   `scrolls`: the rows are higher than the window
 */

/**
 * The grid with the largest tiles that needs no scroll bar. If its tiles would be smaller than `least`,
 * a grid that scrolls, with tiles that are easy to look at. On a narrow window it scrolls earlier: there
 * people scroll anyway, and one column of full width is easier to look at than a narrower one.
 * @param {number} count of tiles
 * @param {number} width of the area
 * @param {number} height of the area
 * @param {{gap?: number, ratio?: number, least?: number, comfortable?: number}} [options]
 *   `ratio`: width / height of a tile; `comfortable`: least width where the page scrolls anyway
 * @returns {Grid}
 */
export function largestGrid(
  count,
  width,
  height,
  { gap = 8, ratio = 16 / 9, least = 200, comfortable = 320 } = {},
) {
  let best = { columns: 1, tile: 0, scrolls: false };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns) || 1;
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * ratio;
    const tile = Math.min(byWidth, byHeight);
    if (tile > best.tile) best = { columns, tile, scrolls: false };
  }
  const isNarrow = width < 2 * comfortable + gap;
  if (best.tile >= Math.min(isNarrow ? Math.max(least, comfortable) : least, width)) return best;
  const columns = Math.max(1, Math.min(count, Math.floor((width + gap) / (comfortable + gap))));
  return { columns, tile: (width - gap * (columns - 1)) / columns, scrolls: true };
}
