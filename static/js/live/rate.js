/** Events per second over the last five seconds, as they came. Bound: 5 s at 60 a second. */
export class Rate {
  static #SPAN_MS = 5000;
  static #MOST = 300;
  /** @type {number[]} */
  #times = [];
  #first = NaN;

  /** @param {number} now monotonic milliseconds */
  count(now) {
    if (Number.isNaN(this.#first)) this.#first = now;
    this.#times.push(now);
    if (this.#times.length > Rate.#MOST) this.#times.shift();
  }

  /**
   * @param {number} now
   * @returns {number} per second; 0 before there is anything to measure
   */
  perSecond(now) {
    this.#times = this.#times.filter((time) => now - time <= Rate.#SPAN_MS);
    const span = Math.min(Rate.#SPAN_MS, now - this.#first);
    return span >= 1000 ? (this.#times.length * 1000) / span : 0;
  }
}
