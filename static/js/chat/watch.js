const SILENCE_MS = 40_000; // the server says something every 15 s: two pings were missed

/**
 * @typedef {{fetch: (url: string, init: RequestInit) => Promise<Response>, page: EventTarget}
 *           & import("./throttle.js").Clock} Tools
 *   named here: static files can be given their hashes only where nothing refers in a circle
 */

/**
 * Waits for a server, and never for ever: a silent connection is dropped. What wakes the page (the
 * network is back, the tab is shown again) ends a pause and looks at the silence at once, because
 * timers of hidden and sleeping pages come late.
 */
export class Watch {
  #tools;
  #heard = 0;
  #timer = null;
  /** @type {(() => void) | null} ends the connection that is there */
  #drop = null;
  /** @type {(() => void) | null} ends the pause that is there */
  #wake = null;
  #listening = new AbortController();

  /** @param {Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    for (const event of ["online", "pageshow", "visibilitychange"]) {
      tools.page.addEventListener(event, () => this.#awake(), { signal: this.#listening.signal });
    }
  }

  /**
   * What the request comes to; it is aborted when there is no answer.
   * @template Result
   * @param {(signal: AbortSignal) => Promise<Result>} request
   * @returns {Promise<Result>}
   */
  async within(request) {
    const abort = new AbortController();
    const dropped = new Promise((_, reject) => {
      this.#drop = () => {
        abort.abort();
        reject(new Error("The server does not answer"));
      };
    });
    this.#expect();
    try {
      return await Promise.race([request(abort.signal), /** @type {Promise<never>} */ (dropped)]);
    } finally {
      this.#rest();
    }
  }

  /**
   * Read to the end, or until it is dropped.
   * @param {ReadableStream<Uint8Array>} body
   * @param {(bytes: Uint8Array) => void} take
   */
  async read(body, take) {
    const reader = body.getReader();
    this.#drop = () => void reader.cancel().catch(() => {});
    try {
      for (;;) {
        this.#expect();
        const { done, value } = await reader.read();
        if (done) return;
        take(value);
      }
    } finally {
      this.#rest();
      void reader.cancel().catch(() => {});
    }
  }

  /** @param {number} ms at most */
  sleep(ms) {
    return /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        this.#wake = resolve;
        this.#timer = this.#tools.setTimeout(resolve, ms);
      }).then(() => this.#rest())
    );
  }

  /** End what is waited for, for good. */
  end() {
    this.#listening.abort();
    this.#drop?.();
    this.#wake?.();
    this.#rest();
  }

  #expect() {
    this.#heard = this.#tools.now();
    this.#tools.clearTimeout(this.#timer);
    this.#timer = this.#tools.setTimeout(() => this.#drop?.(), SILENCE_MS);
  }

  #rest() {
    this.#tools.clearTimeout(this.#timer);
    this.#timer = null;
    this.#drop = null;
    this.#wake = null;
  }

  #awake() {
    if (globalThis.document?.hidden) return;
    this.#wake?.();
    if (this.#drop && this.#tools.now() - this.#heard >= SILENCE_MS) this.#drop();
  }
}
