/**
 * Geometry of privacy masks: an area is a list of corners `[x, y]` from 0 to 1 of the picture.
 * Nothing here changes its arguments.
 *
 * @typedef {[number, number]} Corner
 * @typedef {Corner[]} Area
 */

export const AREAS_MOST = 16;
export const CORNERS_MOST = 32;
export const CORNERS_LEAST = 3;

/** @param {number} value */
const inside = (value) => Math.min(1, Math.max(0, value));

/** @param {Corner} corner @returns {Corner} */
export const clamped = ([x, y]) => [inside(x), inside(y)];

/**
 * What a form's field holds; what is not well-formed is left to the server's words.
 * @param {string} text
 * @returns {Area[]}
 */
export function read(text) {
  try {
    const found = JSON.parse(text || "[]");
    return Array.isArray(found) ? found.filter(isArea).map((area) => area.map(clamped)) : [];
  } catch {
    return [];
  }
}

/** @param {unknown} value */
function isArea(value) {
  return Array.isArray(value) && value.length >= CORNERS_LEAST && value.every(isCorner);
}

/** @param {unknown} value */
function isCorner(value) {
  return Array.isArray(value) && value.length === 2 && value.every((one) => Number.isFinite(one));
}

/** For the form's field: four decimals are a third of a pixel of 3840. @param {Area[]} areas */
export function written(areas) {
  const tidy = (/** @type {number} */ one) => Math.round(inside(one) * 10_000) / 10_000;
  return JSON.stringify(areas.map((area) => area.map(([x, y]) => [tidy(x), tidy(y)])));
}

/** The upright rectangle between two points. @param {Corner} from @param {Corner} to @returns {Area} */
export function rectangle(from, to) {
  const [left, right] = [from[0], to[0]].map(inside).sort((a, b) => a - b);
  const [top, bottom] = [from[1], to[1]].map(inside).sort((a, b) => a - b);
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

/**
 * A place for a new area near the middle, a little aside for each that is there already.
 * @param {number} count @returns {Area}
 */
export function fresh(count) {
  const aside = ((count % 5) - 2) * 0.06;
  return rectangle([0.35 + aside, 0.35 + aside], [0.65 + aside, 0.65 + aside]);
}

/** The whole area moved, as far as all of it stays in the picture. @param {Area} area @param {Corner} by @returns {Area} */
export function moved(area, [dx, dy]) {
  const x = held(area.map((corner) => corner[0]), dx);
  const y = held(area.map((corner) => corner[1]), dy);
  return area.map((corner) => clamped([corner[0] + x, corner[1] + y]));
}

/** @param {number[]} values @param {number} by */
function held(values, by) {
  return Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), by));
}

/** @param {Area} area @param {number} index @param {Corner} corner @returns {Area} */
export function withCorner(area, index, corner) {
  return area.map((one, at) => (at === index ? clamped(corner) : one));
}

/** The middle of the edge that begins at a corner. @param {Area} area @param {number} index @returns {Corner} */
export function middle(area, index) {
  const [from, to] = [area[index], area[(index + 1) % area.length]];
  return [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
}

/** With one corner more, in the middle after that one; null where it has as many as it may. @param {Area} area @param {number} index @returns {Area | null} */
export function split(area, index) {
  if (area.length >= CORNERS_MOST) return null;
  return [...area.slice(0, index + 1), middle(area, index), ...area.slice(index + 1)];
}

/** With one corner less; null where it has as few as it may. @param {Area} area @param {number} index @returns {Area | null} */
export function without(area, index) {
  return area.length > CORNERS_LEAST ? area.filter((_, at) => at !== index) : null;
}

/** Where its longest edge begins. @param {Area} area @param {number} ratio width by height of the picture */
export function longestEdge(area, ratio) {
  const lengths = area.map((from, at) => {
    const to = area[(at + 1) % area.length];
    return Math.hypot((to[0] - from[0]) * ratio, to[1] - from[1]);
  });
  return lengths.indexOf(Math.max(...lengths));
}

/** Where its name is written. @param {Area} area @returns {Corner} */
export function centre(area) {
  const sum = area.reduce(([x, y], corner) => [x + corner[0], y + corner[1]], [0, 0]);
  return [sum[0] / area.length, sum[1] / area.length];
}

/** A corner's place in words. @param {Corner} corner */
export function placeWords([x, y]) {
  return `${Math.round(x * 100)} % from the left, ${Math.round(y * 100)} % from the top`;
}
