const SILENCE_MS = 40_000; // two missed pings: the server sends something at least every 15 s

/**
 * @typedef {{fetch: (url: string, init: RequestInit) => Promise<Response>, page: EventTarget}
 *           & import("./throttle.js").Clock} Platform
 *   the browser's functions, replaced in tests; defined here, not in answer.js, because static files
 *   get hashed names only if no two modules refer to each other, even in comments
 */

/**
 * Aborts a connection after `SILENCE_MS` without data, and ends a pause early when the network is back
 * or the page is shown again. These events also check the silence at once, because timers of hidden
 * and sleeping pages fire late.
 */
export class Watchdog {
  #platform;
  #lastDataAt = 0;
  #timer = null;
  /** @type {(() => void) | null} aborts the current connection */
  #abort = null;
  /** @type {(() => void) | null} ends the current pause */
  #wake = null;
  #listeners = new AbortController();

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
    for (const event of ["online", "pageshow", "visibilitychange"]) {
      platform.page.addEventListener(event, () => this.#pageAwake(), { signal: this.#listeners.signal });
    }
  }

  /**
   * Await the response to a request. Rejects after `SILENCE_MS`, and aborts the request.
   * @template Result
   * @param {(signal: AbortSignal) => Promise<Result>} send
   * @returns {Promise<Result>}
   */
  async request(send) {
    const controller = new AbortController();
    const aborted = new Promise((_, reject) => {
      this.#abort = () => {
        controller.abort();
        reject(new Error("The server does not answer"));
      };
    });
    this.#restartTimer();
    try {
      return await Promise.race([send(controller.signal), /** @type {Promise<never>} */ (aborted)]);
    } finally {
      this.#clear();
    }
  }

  /**
   * Read a body to its end, or until it is silent for `SILENCE_MS`.
   * @param {ReadableStream<Uint8Array>} body
   * @param {(bytes: Uint8Array) => void} onBytes
   */
  async read(body, onBytes) {
    const reader = body.getReader();
    this.#abort = () => void reader.cancel().catch(() => {});
    try {
      for (;;) {
        this.#restartTimer();
        const { done, value } = await reader.read();
        if (done) return;
        onBytes(value);
      }
    } finally {
      this.#clear();
      void reader.cancel().catch(() => {});
    }
  }

  /** Pause; a wake event of the page ends it early. @param {number} ms @returns {Promise<void>} */
  sleep(ms) {
    const pause = new Promise((resolve) => {
      this.#wake = () => resolve(undefined);
      this.#timer = this.#platform.setTimeout(() => resolve(undefined), ms);
    });
    return pause.then(() => this.#clear());
  }

  /** Abort the connection or pause, and stop listening to the page. Final. */
  stop() {
    this.#listeners.abort();
    this.#abort?.();
    this.#wake?.();
    this.#clear();
  }

  #restartTimer() {
    this.#lastDataAt = this.#platform.now();
    this.#platform.clearTimeout(this.#timer);
    this.#timer = this.#platform.setTimeout(() => this.#abort?.(), SILENCE_MS);
  }

  #clear() {
    this.#platform.clearTimeout(this.#timer);
    this.#timer = null;
    this.#abort = null;
    this.#wake = null;
  }

  #pageAwake() {
    if (globalThis.document?.hidden) return;
    this.#wake?.();
    if (this.#abort && this.#platform.now() - this.#lastDataAt >= SILENCE_MS) this.#abort();
  }
}
