/** Rate of events over the last 5 s. Bound: 300 timestamps (60 per second). */
export class Rate {
  static #SPAN_MS = 5000;
  static #MAX_SAMPLES = 300;
  /** @type {number[]} */
  #times = [];
  #first = NaN;

  /** @param {number} now monotonic milliseconds */
  count(now) {
    if (Number.isNaN(this.#first)) this.#first = now;
    this.#times.push(now);
    if (this.#times.length > Rate.#MAX_SAMPLES) this.#times.shift();
  }

  /**
   * @param {number} now
   * @returns {number} events per second; 0 in the first second
   */
  perSecond(now) {
    this.#times = this.#times.filter((time) => now - time <= Rate.#SPAN_MS);
    const span = Math.min(Rate.#SPAN_MS, now - this.#first);
    return span >= 1000 ? (this.#times.length * 1000) / span : 0;
  }
}
