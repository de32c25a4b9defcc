/** The states of all cameras of the wall, whether their tiles are watched or not. Pure: no clock. */

/** What the wall counts, and the word for each; see cameras/views/wall.py. */
export const WORDS = { live: "live", stale: "stale", connecting: "waiting", offline: "offline", ended: "off" };

/** A state decides what is shown, and where, only after it has lasted this long: nothing flickers. */
export const SETTLE_MS = 3000;

/**
 * The state as the wall counts it. The server sends a camera that it is connecting to as offline, with
 * "Connecting." or what it waits for as the reason: nothing has failed.
 * @param {{state: string, reason?: string}} status
 */
export function countedState({ state, reason = "" }) {
  if (!(state in WORDS)) return "connecting";
  const detail = reason.replace(/^connect(ing|ed)\b\W*/i, "");
  const isWaiting = state === "offline" && (detail ? /^waiting for/i.test(detail) : reason !== "");
  return isWaiting ? "connecting" : state;
}

/** The newest known state of each camera. One entry for each tile. */
export class CameraStates {
  /** @type {Map<string, {state: string, at: number, settled: string}>} */
  #known = new Map();

  /**
   * @param {string} camera
   * @param {string} state
   * @param {number} now monotonic milliseconds
   * @returns {boolean} whether it is another state than before
   */
  report(camera, state, now) {
    const known = this.#known.get(camera);
    if (known?.state === state) return false;
    const settled = known ? this.settled(camera, now) : state;
    this.#known.set(camera, { state, at: now, settled });
    return true;
  }

  /**
   * The last state that lasted for `SETTLE_MS`; the first is at once.
   * @param {string} camera
   * @param {number} now
   */
  settled(camera, now) {
    const known = this.#known.get(camera);
    if (!known) return "connecting";
    if (now - known.at >= SETTLE_MS) known.settled = known.state;
    return known.settled;
  }

  /** How many cameras are in each state. @returns {Map<string, number>} */
  counts() {
    const counts = new Map(Object.keys(WORDS).map((state) => [state, 0]));
    for (const { state } of this.#known.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  }
}
