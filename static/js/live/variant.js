/** The variant of a camera's pictures (width and frame rate) to request for a tile. */

/** The server's widths besides the camera's own, in pixels. */
const WIDTHS = [320, 640];
const MIN_SCALE = 0.8; // of the tile's CSS pixels; less detail is enough on dense screens, too
const FEW_TILES = 9;
const FPS_OF_FEW = 10;
const FPS_OF_MANY = 5;

/**
 * The query string for one tile. Without `width` if the tile is larger than any variant.
 * @param {number} pixels width of the tile in CSS pixels
 * @param {number} tiles number of tiles on the page
 */
export function tileQuery(pixels, tiles) {
  const width = WIDTHS.find((each) => each >= pixels * MIN_SCALE);
  const query = new URLSearchParams({ fps: String(tiles > FEW_TILES ? FPS_OF_MANY : FPS_OF_FEW) });
  if (width) query.set("width", String(width));
  return `?${query}`;
}
