/** The order of the cameras on the wall. Pure functions on lists of camera ids. */

/** @typedef {"before" | "after"} Side */

/**
 * The order after a camera was put beside another one.
 * @param {string[]} order
 * @param {string} camera
 * @param {string} target
 * @param {Side} side
 */
export function moved(order, camera, target, side) {
  if (camera === target || !order.includes(camera) || !order.includes(target)) return order;
  const others = order.filter((each) => each !== camera);
  others.splice(others.indexOf(target) + (side === "after" ? 1 : 0), 0, camera);
  return others;
}

/**
 * The sequence in which tiles stand: the person's order, or live cameras first, each part in that order.
 * @param {string[]} order
 * @param {(camera: string) => boolean} isLive
 * @param {boolean} liveFirst
 */
export function sequence(order, isLive, liveFirst) {
  if (!liveFirst) return order;
  return [...order.filter((camera) => isLive(camera)), ...order.filter((camera) => !isLive(camera))];
}

/**
 * Where a key moves a camera: beside which other one. Null for another key, and at the edge.
 * @param {string[]} shown cameras as they stand
 * @param {string} camera
 * @param {string} key of a keyboard event
 * @param {number} columns
 * @returns {{target: string, side: Side} | null}
 */
export function step(shown, camera, key, columns) {
  const from = shown.indexOf(camera);
  const last = shown.length - 1;
  const places = {
    ArrowLeft: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from - columns,
    ArrowDown: Math.max(from, Math.min(from + columns, last)),
    Home: 0,
    End: last,
  };
  const to = places[key];
  if (to === undefined || to < 0 || to > last || to === from) return null;
  return { target: shown[to], side: to < from ? "before" : "after" };
}
