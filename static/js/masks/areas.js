/**
 * Geometry of privacy masks. An area is a polygon: a list of corners `[x, y]`, each from 0 to 1 of the
 * picture. Pure functions.
 *
 * @typedef {[number, number]} Corner
 * @typedef {Corner[]} Area
 */

export const MAX_AREAS = 16;
export const MAX_CORNERS = 32;
export const MIN_CORNERS = 3;

/** @param {number} value */
const clampUnit = (value) => Math.min(1, Math.max(0, value));

/** @param {Corner} corner @returns {Corner} */
export const clamp = ([x, y]) => [clampUnit(x), clampUnit(y)];

/**
 * Parse the value of the form's field. Invalid areas are skipped; the server reports them.
 * @param {string} text
 * @returns {Area[]}
 */
export function parseAreas(text) {
  try {
    const value = JSON.parse(text || "[]");
    return Array.isArray(value) ? value.filter(isArea).map((area) => area.map(clamp)) : [];
  } catch {
    return [];
  }
}

/** @param {unknown} value */
function isArea(value) {
  return Array.isArray(value) && value.length >= MIN_CORNERS && value.every(isCorner);
}

/** @param {unknown} value */
function isCorner(value) {
  return Array.isArray(value) && value.length === 2 && value.every((number) => Number.isFinite(number));
}

/**
 * The value for the form's field. Four decimals are a third of a pixel at a width of 3840.
 * @param {Area[]} areas
 */
export function serializeAreas(areas) {
  const round = (/** @type {number} */ value) => Math.round(clampUnit(value) * 10_000) / 10_000;
  return JSON.stringify(areas.map((area) => area.map(([x, y]) => [round(x), round(y)])));
}

/** The rectangle between two opposite corners. @param {Corner} from @param {Corner} to @returns {Area} */
export function rectangle(from, to) {
  const [left, right] = [from[0], to[0]].map(clampUnit).sort((a, b) => a - b);
  const [top, bottom] = [from[1], to[1]].map(clampUnit).sort((a, b) => a - b);
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

/**
 * A new area near the middle, shifted so that five new areas do not cover each other.
 * @param {number} count of existing areas @returns {Area}
 */
export function newArea(count) {
  const shift = ((count % 5) - 2) * 0.06;
  return rectangle([0.35 + shift, 0.35 + shift], [0.65 + shift, 0.65 + shift]);
}

/**
 * Move an area; it keeps its shape and stops at the picture's edges.
 * @param {Area} area @param {Corner} by @returns {Area}
 */
export function translate(area, [dx, dy]) {
  const x = limitShift(area.map((corner) => corner[0]), dx);
  const y = limitShift(area.map((corner) => corner[1]), dy);
  return area.map((corner) => clamp([corner[0] + x, corner[1] + y]));
}

/** @param {number[]} values @param {number} by */
function limitShift(values, by) {
  return Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), by));
}

/** @param {Area} area @param {number} index @param {Corner} corner @returns {Area} */
export function replaceCorner(area, index, corner) {
  return area.map((old, at) => (at === index ? clamp(corner) : old));
}

/** The midpoint of the edge that starts at a corner. @param {Area} area @param {number} index @returns {Corner} */
export function edgeMidpoint(area, index) {
  const [from, to] = [area[index], area[(index + 1) % area.length]];
  return [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
}

/**
 * Add a corner at the midpoint of an edge; null at `MAX_CORNERS`.
 * @param {Area} area @param {number} index @returns {Area | null}
 */
export function splitEdge(area, index) {
  if (area.length >= MAX_CORNERS) return null;
  return [...area.slice(0, index + 1), edgeMidpoint(area, index), ...area.slice(index + 1)];
}

/** Remove a corner; null at `MIN_CORNERS`. @param {Area} area @param {number} index @returns {Area | null} */
export function removeCorner(area, index) {
  return area.length > MIN_CORNERS ? area.filter((_, at) => at !== index) : null;
}

/**
 * The corner at which the longest edge starts.
 * @param {Area} area @param {number} ratio width / height of the picture
 */
export function longestEdge(area, ratio) {
  const lengths = area.map((from, at) => {
    const to = area[(at + 1) % area.length];
    return Math.hypot((to[0] - from[0]) * ratio, to[1] - from[1]);
  });
  return lengths.indexOf(Math.max(...lengths));
}

/** The mean of the corners, where the area's number is shown. @param {Area} area @returns {Corner} */
export function centre(area) {
  const sum = area.reduce(([x, y], corner) => [x + corner[0], y + corner[1]], [0, 0]);
  return [sum[0] / area.length, sum[1] / area.length];
}

/** A position as text, for screen readers. @param {Corner} corner */
export function positionText([x, y]) {
  return `${Math.round(x * 100)} % from the left, ${Math.round(y * 100)} % from the top`;
}
