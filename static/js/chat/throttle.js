export const FLUSH_MS = 50;
const SHARE = 4; // a slow call is followed by this many times its own length of rest

/** @typedef {{now: () => number, setTimeout: (call: () => void, ms: number) => any, clearTimeout: (timer: any) => void}} Clock */

/** @type {Clock} */
const CLOCK = {
  now: () => performance.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * Calls at most once in a while, and always once more after the last time it was asked: a debounce
 * would wait for a pause that a fast model never makes.
 */
export class Throttle {
  #call;
  #ms;
  #clock;
  #timer = null;
  #nextAt = -Infinity;

  /**
   * @param {() => void} call
   * @param {number} [ms] from one call to the next, at least
   * @param {Clock} [clock]
   */
  constructor(call, ms = FLUSH_MS, clock = CLOCK) {
    this.#call = call;
    this.#ms = ms;
    this.#clock = clock;
  }

  /** Call soon: at once if the last call is long enough ago. */
  ask() {
    if (this.#timer !== null) return;
    const wait = this.#nextAt - this.#clock.now();
    if (wait <= 0) this.now();
    else this.#timer = this.#clock.setTimeout(() => this.now(), wait);
  }

  /** Call now, and not again for what was asked before. */
  now() {
    this.cancel();
    const began = this.#clock.now();
    try {
      this.#call();
    } finally {
      const ended = this.#clock.now();
      this.#nextAt = Math.max(began + this.#ms, ended + SHARE * (ended - began));
    }
  }

  /** Forget what was asked. */
  cancel() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
