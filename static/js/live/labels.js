/**
 * Places for the labels of boxes: they cover neither each other nor an object, stay inside the picture,
 * and keep their place from frame to frame. Pure functions; all lengths in one unit.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {"above" | "above-end" | "below" | "below-end" | "right" | "left" | "inside" | "mark"} Side
 * @typedef {{id: number | string | null, box: Rect, width: number, height: number}} Item a box, and the
 *   size of its label; `id` is the same from frame to frame, null if it is not known
 * @typedef {{side: Side, rect: Rect | null}} Place of a label; without `rect` there is no room, and the
 *   box has a small mark instead
 */

/** In the order in which they are tried. */
const SIDES = /** @type {Side[]} */ (["above", "above-end", "below", "below-end", "right", "left", "inside"]);
const RETURN_GAP = 8; // around a label that had no room in the last frame: it returns when there is plenty
const INSIDE_MAX = 0.25; // of a box's height that a label inside it may cover

/**
 * Place all labels. Those that have a place already come first, so that a newcomer moves none.
 * @param {Item[]} items
 * @param {Rect} bounds the visible part of the picture
 * @param {Map<number | string, Side>} [previous] sides in the last frame, by id
 * @returns {Place[]} in the order of `items`
 */
export function placeLabels(items, bounds, previous = new Map()) {
  const boxes = items.map(({ box }) => box);
  const places = /** @type {Place[]} */ (items.map(() => ({ side: "mark", rect: null })));
  /** @type {Rect[]} */
  const taken = [];
  for (const index of placingOrder(items, previous)) {
    const place = placeLabel(items[index], bounds, { boxes, taken, last: sideOf(items[index], previous) });
    if (place.rect) taken.push(place.rect);
    places[index] = place;
  }
  return places;
}

/**
 * The sides to pass to the next call.
 * @param {Item[]} items
 * @param {Place[]} places
 * @returns {Map<number | string, Side>}
 */
export function rememberSides(items, places) {
  const entries = items.map(({ id }, at) => /** @type {const} */ ([id, places[at].side]));
  return new Map(/** @type {[number | string, Side][]} */ (entries.filter(([id]) => id !== null)));
}

/** @param {Item} item @param {Map<number | string, Side>} previous */
function sideOf({ id }, previous) {
  return id === null ? undefined : previous.get(id);
}

/**
 * Labels with a place first, then those without room, then new ones; each by id: the order of the
 * detections follows their confidence, which changes with every frame.
 * @param {Item[]} items
 * @param {Map<number | string, Side>} previous
 */
function placingOrder(items, previous) {
  const rank = (/** @type {Item} */ item) => {
    const side = sideOf(item, previous);
    return side === undefined ? 2 : Number(side === "mark");
  };
  const number = (/** @type {Item} */ { id }) => (typeof id === "number" ? id : Infinity);
  const compare = (/** @type {number} */ a, /** @type {number} */ b) => (a === b ? 0 : a - b);
  return [...items.keys()].sort((a, b) => {
    const [one, other] = [items[a], items[b]];
    return rank(one) - rank(other) || compare(number(one), number(other)) || a - b;
  });
}

/**
 * @param {Item} item
 * @param {Rect} bounds
 * @param {{boxes: Rect[], taken: Rect[], last: Side | undefined}} others
 * @returns {Place}
 */
function placeLabel(item, bounds, { boxes, taken, last }) {
  const gap = last === "mark" ? RETURN_GAP : 0;
  const sides = last && last !== "mark" ? [last, ...SIDES.filter((side) => side !== last)] : SIDES;
  for (const side of sides) {
    const rect = rectAt(side, item, bounds);
    if (!rect || !contains(bounds, rect)) continue;
    const wide = { x: rect.x - gap, y: rect.y - gap, width: rect.width + 2 * gap, height: rect.height + 2 * gap };
    if (taken.some((other) => overlaps(wide, other))) continue;
    if (boxes.some((box) => (side !== "inside" || box !== item.box) && overlaps(rect, box))) continue;
    return { side, rect };
  }
  return { side: "mark", rect: null };
}

/**
 * The label's rectangle on one side of its box; above and below it is shifted into the picture. Null
 * where a label never fits.
 * @param {Side} side
 * @param {Item} item
 * @param {Rect} bounds
 * @returns {Rect | null}
 */
function rectAt(side, { box, width, height }, bounds) {
  const shift = (/** @type {number} */ x) => clamp(x, bounds.x, bounds.x + bounds.width - width);
  const [end, bottom] = [box.x + box.width, box.y + box.height];
  const top = Math.max(box.y, bounds.y);
  const at = (/** @type {number} */ x, /** @type {number} */ y) => ({ x, y, width, height });
  if (side === "above") return at(shift(box.x), box.y - height);
  if (side === "above-end") return at(shift(end - width), box.y - height);
  if (side === "below") return at(shift(box.x), bottom);
  if (side === "below-end") return at(shift(end - width), bottom);
  if (side === "right") return at(end, top);
  if (side === "left") return at(box.x - width, top);
  const [from, to] = [Math.max(box.x, bounds.x), Math.min(end, bounds.x + bounds.width)];
  const visible = Math.min(bottom, bounds.y + bounds.height) - top;
  return width <= to - from && height <= visible * INSIDE_MAX ? at(from, top) : null;
}

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.max(low, Math.min(value, high));

const TOLERANCE = 1e-6; // two rectangles that touch do not overlap

/** @param {Rect} a @param {Rect} b */
function overlaps(a, b) {
  return (
    a.x < b.x + b.width - TOLERANCE &&
    b.x < a.x + a.width - TOLERANCE &&
    a.y < b.y + b.height - TOLERANCE &&
    b.y < a.y + a.height - TOLERANCE
  );
}

/** @param {Rect} outer @param {Rect} inner */
function contains(outer, inner) {
  return (
    inner.x >= outer.x - TOLERANCE &&
    inner.y >= outer.y - TOLERANCE &&
    inner.x + inner.width <= outer.x + outer.width + TOLERANCE &&
    inner.y + inner.height <= outer.y + outer.height + TOLERANCE
  );
}
