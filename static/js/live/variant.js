/** Which version of a camera's pictures is enough for the place it is shown in. Pure. */

/** What the server has, beside the camera's own size. */
const WIDTHS = [320, 640];
const ENOUGH = 0.8; // of the place's CSS pixels: a tile is glanced at, on dense screens, too
const FEW = 9; // so many tiles at 10 frames a second; more of them at 5
const QUICK = 10;
const CALM = 5;

/**
 * The query for a tile of that many CSS pixels, among so many tiles. Without a width where the tile
 * is larger than any variant: few cameras that fill the window.
 * @param {number} pixels
 * @param {number} tiles
 */
export function tileQuery(pixels, tiles) {
  const width = WIDTHS.find((each) => each >= pixels * ENOUGH);
  const asked = new URLSearchParams({ fps: String(tiles > FEW ? CALM : QUICK) });
  if (width) asked.set("width", String(width));
  return `?${asked}`;
}
