/** A fake clock with timers; time passes only in `advance`. */
export class Clock {
  time = 0;
  /** @type {{at: number, call: () => void}[]} */
  timers = [];
  now = () => this.time;
  setTimeout = (/** @type {() => void} */ call, /** @type {number} */ ms) => {
    const timer = { at: this.time + Math.max(0, ms), call };
    this.timers.push(timer);
    return timer;
  };
  clearTimeout = (/** @type {any} */ timer) => {
    this.timers = this.timers.filter((one) => one !== timer);
  };

  /** @param {number} ms */
  advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.clearTimeout(next);
      this.time = Math.max(this.time, next.at);
      next.call();
    }
    this.time = Math.max(this.time, end);
  }
}
