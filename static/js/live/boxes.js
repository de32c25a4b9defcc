/** Geometry of a picture and its boxes on a canvas. Pure functions; all lengths in one unit. */

/**
 * The largest centred rectangle with the source's aspect ratio inside a box.
 * @param {number} width of the source
 * @param {number} height
 * @param {number} boxWidth
 * @param {number} boxHeight
 */
export function fit(width, height, boxWidth, boxHeight) {
  const scale = Math.min(boxWidth / width, boxHeight / height);
  const [w, h] = [width * scale, height * scale];
  return { x: (boxWidth - w) / 2, y: (boxHeight - h) / 2, width: w, height: h, scale };
}

/**
 * A detection's box in canvas units; null if it is not four finite numbers.
 * @param {number[]} bbox x, y, width, height in pixels of the picture
 * @param {{x: number, y: number, scale: number}} place of the picture on the canvas
 */
export function canvasBox(bbox, place) {
  if (!Array.isArray(bbox) || bbox.length !== 4 || !bbox.every(Number.isFinite)) return null;
  const [x, y, width, height] = bbox.map((value) => value * place.scale);
  return { x: x + place.x, y: y + place.y, width, height };
}

/**
 * The picture's place while it is zoomed; `place` is that of the whole picture.
 * @param {{x: number, y: number, width: number, height: number, scale: number}} place
 * @param {import("./zoom.js").View} view
 * @param {number} boxWidth
 * @param {number} boxHeight
 */
export function zoomPlace(place, { scale, x, y }, boxWidth, boxHeight) {
  const [width, height] = [place.width * scale, place.height * scale];
  return {
    x: width <= boxWidth ? (boxWidth - width) / 2 : boxWidth / 2 - x * width,
    y: height <= boxHeight ? (boxHeight - height) / 2 : boxHeight / 2 - y * height,
    width,
    height,
    scale: place.scale * scale,
  };
}

/**
 * The part of the picture that is visible.
 * @param {{x: number, y: number, width: number, height: number}} place
 * @param {number} boxWidth
 * @param {number} boxHeight
 */
export function visiblePart(place, boxWidth, boxHeight) {
  const [x, y] = [Math.max(0, place.x), Math.max(0, place.y)];
  const width = Math.min(boxWidth, place.x + place.width) - x;
  return { x, y, width, height: Math.min(boxHeight, place.y + place.height) - y };
}

/**
 * The label of a detection, in the seed's format: `person (87%)`.
 * @param {{class: string, confidence: number}} detection
 */
export function labelText(detection) {
  return `${detection.class} (${(detection.confidence * 100).toFixed(0)}%)`;
}
