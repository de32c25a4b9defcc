const WRITTEN_MS = 2000; // an answer that the server wrote in less time is not judged
const AT_ONCE_MS = 250; // within which all of an answer arrives that was held back

/**
 * Tells whether an answer that the server wrote over seconds arrived at once, so that something between
 * server and page holds events back. Compares durations only, never the two clocks: a server that is
 * slow to accept, a fast model and a short answer do not count.
 *
 * An answer that comes in several parts, because it is longer than what a proxy collects, is not noticed.
 */
export class Arrival {
  #now;
  #startedAt;
  #tickedAt;
  #longestPauseMs = 0; // a page that hung or slept for so long read late what came in time
  #firstTextAt = NaN;
  #endedAt = NaN;
  #isKnown = true; // this page saw the whole answer arrive

  /** Begins with the request. @param {() => number} [now] */
  constructor(now = () => performance.now()) {
    this.#now = now;
    this.#startedAt = this.#tickedAt = now();
  }

  /** Call it once a second, so that a page that hangs is known. */
  tick() {
    const now = this.#now();
    this.#longestPauseMs = Math.max(this.#longestPauseMs, now - this.#tickedAt);
    this.#tickedAt = now;
  }

  /** A part of the text arrived. */
  text() {
    if (Number.isNaN(this.#firstTextAt)) this.#firstTextAt = this.#now();
  }

  /** Do not judge this answer: a replay, or a connection that was lost. */
  discard() {
    this.#isKnown = false;
  }

  /** The last event arrived. */
  end() {
    this.tick();
    this.#endedAt = this.#now();
  }

  /**
   * Whether the whole answer arrived at once, though the server wrote it over seconds.
   * @param {number} firstMs from the start of the answer to its first word, by the server's clock
   * @param {number} wholeMs to its end; NaN for an unknown duration
   */
  wasHeldBack(firstMs, wholeMs) {
    return (
      this.#isKnown &&
      wholeMs - firstMs >= WRITTEN_MS + this.#longestPauseMs &&
      this.#endedAt - this.#firstTextAt <= AT_ONCE_MS &&
      this.#endedAt - this.#startedAt >= wholeMs // else it was written before it was requested: a replay
    );
  }
}
