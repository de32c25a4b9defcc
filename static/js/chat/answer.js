import { waitBefore, waitingWords } from "../shell/retry.js";
import { EventReader } from "./events.js";
import { Watch } from "./watch.js";

const LASTED_MS = 10_000; // a connection that held so long was a good one
const LONGEST_MS = 600_000; // that a server's Retry-After is believed

/** Answers after which another try would be answered the same. */
const FINAL = {
  401: "You are signed out. Sign in again to read the rest.",
  403: "You may no longer read this chat.",
  404: "This chat or message is gone.",
};

/**
 * @typedef {{phase: "waiting" | "streaming" | "reconnecting" | "over", words: string,
 *            status?: "complete" | "stopped" | "failed", code?: number, problem?: any,
 *            error?: {code: string, message: string, retryable: boolean}}} State
 *   `status` when the answer is over, `code` (of HTTP, with the body as `problem`) when only the
 *   following of it is; `error` is the server's reason
 * @typedef {{text: (text: string) => void, state: (state: State) => void,
 *            event?: (event: import("./events.js").Event) => void}} Listener
 *   `text` gets all of it each time; `event` what is neither text nor the end
 * @typedef {{events: (message: string) => string, message?: string,
 *            send?: (signal: AbortSignal) => Promise<Response>}} Source
 *   either the message is known, or `send` asks for it: again, with the same Idempotency-Key, for as
 *   long as no connection has told the message's id
 * @typedef {import("./watch.js").Tools} Tools
 */

/** @type {Tools} */
const TOOLS = {
  fetch: (url, init) => fetch(url, init),
  now: () => performance.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  page: globalThis,
};

/**
 * Follows one answer to its end, through lost connections: each takes up where the last one broke
 * off, so the text is the server's to the byte. Tries for ever, and says so.
 */
export class AnswerStream {
  #source;
  #listener;
  #tools;
  #watch;
  #message;
  #text = "";
  #last = 0; // the number of the newest event
  #phase = "";
  #tries = 0;
  #nextAt = 0;
  #taken = false; // a request was once answered with a stream
  #finished = false; // over, or closed
  /** @type {State["error"]} */
  #error;

  /**
   * @param {Source} source
   * @param {Listener} listener
   * @param {Partial<Tools>} [tools]
   */
  constructor(source, listener, tools = {}) {
    this.#source = source;
    this.#listener = listener;
    this.#tools = { ...TOOLS, ...tools };
    this.#message = source.message ?? "";
    this.#watch = new Watch(this.#tools);
  }

  /** The answer so far. */
  get text() {
    return this.#text;
  }

  /** What is said of the connection now; nothing while it is up. */
  get words() {
    return this.#phase === "reconnecting" ? waitingWords(this.#tries, this.#nextAt - this.#tools.now()) : "";
  }

  /**
   * Follow. Settles when it is over or closed, and never fails.
   * @param {Response} [response] of the request that asked, if that was made already
   */
  async start(response) {
    this.#say({ phase: "waiting", words: "" });
    while (!this.#finished) {
      const began = this.#tools.now();
      let wait = 0;
      try {
        wait = await this.#follow(response ?? (await this.#watch.within((signal) => this.#open(signal))));
      } catch (error) {
        if (!this.#finished) console.error("An answer's connection was lost", error);
      }
      response = undefined;
      if (this.#finished) break;
      if (this.#tools.now() - began >= LASTED_MS) this.#tries = 0;
      await this.#pause(wait);
    }
    this.#watch.end();
  }

  /** Follow no longer. The answer goes on without: to disconnect is not to stop. */
  close() {
    this.#finished = true;
    this.#watch.end();
  }

  /** @param {AbortSignal} signal */
  #open(signal) {
    if (!this.#message && this.#source.send) return this.#source.send(signal);
    const headers = { Accept: "text/event-stream" };
    if (this.#last) headers["Last-Event-ID"] = String(this.#last);
    return this.#tools.fetch(this.#source.events(this.#message), { headers, signal, cache: "no-store" });
  }

  /**
   * Read one connection to its end.
   * @param {Response} response
   * @returns {Promise<number>} milliseconds that the server asked to wait
   */
  async #follow(response) {
    if (!response.ok) return this.#refused(response);
    if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      throw new Error("The answer is no event stream");
    }
    this.#taken = true;
    const events = new EventReader();
    await this.#watch.read(response.body, (bytes) => {
      this.#progress(); // the first bytes are a ping: the connection is there
      let changed = false;
      try {
        for (const numbered of events.feed(bytes)) changed = this.#take(numbered) || changed;
      } finally {
        if (changed) this.#tell(() => this.#listener.text(this.#text));
      }
      if (this.#finished) this.#watch.end();
    });
    return 0;
  }

  /** @param {Response} response */
  async #refused(response) {
    const { status } = response;
    const problem = await response.json().catch(() => null);
    if (this.#finished) return 0;
    const passing = status >= 500 || [408, 425, 429].includes(status);
    if (passing && (this.#taken || this.#message)) {
      return Math.min(1000 * (Number(response.headers.get("Retry-After")) || 0), LONGEST_MS);
    }
    const words = FINAL[status] ?? [`Stream error: ${status}`, problem?.detail].filter(Boolean).join(". ");
    this.#over({ phase: "over", words, code: status, problem });
    return 0;
  }

  /**
   * @param {import("./events.js").Numbered} numbered
   * @returns {boolean} whether the text is another now
   */
  #take({ id, event }) {
    if (this.#finished || (id !== null && id <= this.#last && event.type !== "reset")) return false;
    this.#tries = 0;
    if (event.type === "reset") {
      this.#last = 0; // the replay begins anew, whatever number this one had
      this.#text = "";
      this.#error = undefined;
      return true;
    }
    if (id !== null) this.#last = id;
    if (event.type === "chunk") {
      this.#text += event.text;
      this.#progress();
      return true;
    }
    if (event.type === "done") return this.#done(event);
    if (event.type === "start") this.#message = event.message_id;
    else if (event.type === "error") this.#error = /** @type {any} */ (event);
    this.#tell(() => this.#listener.event?.(event));
    return false;
  }

  /** @param {import("./events.js").Event} event */
  #done({ status = "complete" }) {
    this.#tell(() => this.#listener.text(this.#text)); // all of it, before the end is told
    const empty = status === "complete" && !this.#text;
    const words = this.#error?.message ?? (empty ? "Response was empty" : "");
    this.#over({ phase: "over", words, status, error: this.#error });
    return false;
  }

  #progress() {
    const phase = this.#text ? "streaming" : "waiting";
    if (phase !== this.#phase) this.#say({ phase, words: "" });
  }

  /** @param {number} wait milliseconds, at least */
  async #pause(wait) {
    this.#tries += 1;
    const ms = Math.max(wait, waitBefore(this.#tries));
    this.#nextAt = this.#tools.now() + ms;
    this.#phase = "reconnecting";
    this.#say({ phase: "reconnecting", words: this.words });
    await this.#watch.sleep(ms);
  }

  /** @param {State} state */
  #over(state) {
    this.#finished = true;
    this.#say(state);
  }

  /** @param {State} state */
  #say(state) {
    this.#phase = state.phase;
    this.#tell(() => this.#listener.state(state));
  }

  /** A listener's fault is not the connection's. @param {() => void} call */
  #tell(call) {
    try {
      call();
    } catch (error) {
      console.error("An answer could not be shown", error);
    }
  }
}
