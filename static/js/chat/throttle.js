export const INTERVAL_MS = 50;
const REST_FACTOR = 4; // after a slow call, rest this many times as long as it took

/**
 * @typedef {{now: () => number, setTimeout: (call: () => void, ms: number) => any,
 *            clearTimeout: (timer: any) => void}} Clock
 */

/** @type {Clock} */
const CLOCK = {
  now: () => performance.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * Limits the rate of a call, and always calls once more after the last `schedule`. Not a debounce,
 * which would wait for a pause that a fast model never makes.
 */
export class Throttle {
  #call;
  #ms;
  #clock;
  #timer = null;
  #nextAt = -Infinity;

  /**
   * @param {() => void} call
   * @param {number} [ms] minimum between two calls
   * @param {Clock} [clock]
   */
  constructor(call, ms = INTERVAL_MS, clock = CLOCK) {
    this.#call = call;
    this.#ms = ms;
    this.#clock = clock;
  }

  /** Call as soon as the rate allows; at once if the last call is long enough ago. */
  schedule() {
    if (this.#timer !== null) return;
    const wait = this.#nextAt - this.#clock.now();
    if (wait <= 0) this.flush();
    else this.#timer = this.#clock.setTimeout(() => this.flush(), wait);
  }

  /** Call now; a scheduled call is included. */
  flush() {
    this.cancel();
    const startedAt = this.#clock.now();
    try {
      this.#call();
    } finally {
      const endedAt = this.#clock.now();
      this.#nextAt = Math.max(startedAt + this.#ms, endedAt + REST_FACTOR * (endedAt - startedAt));
    }
  }

  /** Drop a scheduled call. */
  cancel() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
