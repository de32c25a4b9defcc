/**
 * Arithmetic of a zoomed picture. Pure functions; lengths in CSS pixels.
 *
 * @typedef {{scale: number, x: number, y: number}} View `scale` 1 shows the whole picture; `x` and `y`
 *   are the point of the picture, from 0 to 1, that lies in the middle of the canvas
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number}} Point
 */

export const MAX_SCALE = 8;

/** @type {View} */
export const WHOLE = Object.freeze({ scale: 1, x: 0.5, y: 0.5 });

/**
 * The nearest view on which the picture does not leave the canvas: an edge of the picture never comes
 * inside, and a side that fits is centred.
 * @param {View} view
 * @param {Size} picture as it is drawn at scale 1
 * @param {Size} canvas
 * @returns {View}
 */
export function bounded(view, picture, canvas) {
  const scale = Math.min(MAX_SCALE, Math.max(1, view.scale));
  if (scale === 1) return WHOLE;
  const limit = (/** @type {number} */ centre, /** @type {number} */ length, /** @type {number} */ visible) => {
    const half = visible / 2 / (length * scale);
    return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, centre));
  };
  return {
    scale,
    x: limit(view.x, picture.width, canvas.width),
    y: limit(view.y, picture.height, canvas.height),
  };
}

/**
 * Zoom around a point of the canvas, which keeps its point of the picture.
 * @param {View} view
 * @param {number} factor
 * @param {Point} anchor
 * @param {Size} picture as it is drawn at scale 1
 * @param {Size} canvas
 * @returns {View}
 */
export function zoomed(view, factor, anchor, picture, canvas) {
  const scale = Math.min(MAX_SCALE, Math.max(1, view.scale * factor));
  const keep = 1 / view.scale - 1 / scale; // by so much of the picture's length, per pixel, the middle moves
  const x = view.x + ((anchor.x - canvas.width / 2) / picture.width) * keep;
  const y = view.y + ((anchor.y - canvas.height / 2) / picture.height) * keep;
  return bounded({ scale, x, y }, picture, canvas);
}

/**
 * Drag the picture.
 * @param {View} view
 * @param {Point} by
 * @param {Size} picture as it is drawn at scale 1
 * @param {Size} canvas
 * @returns {View}
 */
export function panned(view, by, picture, canvas) {
  const x = view.x - by.x / (picture.width * view.scale);
  const y = view.y - by.y / (picture.height * view.scale);
  return bounded({ ...view, x, y }, picture, canvas);
}

/**
 * The factor of a turn of the wheel: 100 pixels, or three lines, are a quarter.
 * @param {{deltaY: number, deltaMode: number, ctrlKey: boolean}} event a pinch on a touch pad comes as
 *   a wheel with Control and small steps
 */
export function wheelFactor({ deltaY, deltaMode, ctrlKey }) {
  const pixels = deltaMode === 1 ? deltaY * 33 : deltaMode === 2 ? deltaY * 300 : deltaY;
  const step = Math.max(-240, Math.min(240, pixels * (ctrlKey ? 4 : 1)));
  return 1.25 ** (-step / 100);
}

/** "1.8×" @param {number} scale */
export function scaleText(scale) {
  return `${scale.toFixed(1)}×`;
}
