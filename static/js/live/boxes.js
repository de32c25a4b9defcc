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
 * The upper left corner of a label: above its box, or inside the box's top if there is no room above;
 * never outside the picture.
 * @param {{x: number, y: number}} box
 * @param {number} width of the label
 * @param {number} height of the label
 * @param {{x: number, y: number, width: number}} place of the picture
 */
export function labelCorner(box, width, height, place) {
  const x = Math.max(place.x, Math.min(box.x, place.x + place.width - width));
  const above = box.y - height;
  return { x, y: above < place.y ? Math.max(box.y, place.y) : above };
}

/**
 * The label of a detection, in the seed's format: `person (87%)`.
 * @param {{class: string, confidence: number}} detection
 */
export function labelText(detection) {
  return `${detection.class} (${(detection.confidence * 100).toFixed(0)}%)`;
}
