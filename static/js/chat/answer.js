import { retryDelay, retryMessage } from "../shell/retry.js";
import { EventReader } from "./events.js";
import { Watchdog } from "./watchdog.js";

const GOOD_CONNECTION_MS = 10_000; // after a connection this long, attempts are counted from 1 again
const MAX_RETRY_AFTER_MS = 600_000; // a longer Retry-After of the server is cut to this

/** Statuses after which a client must not reconnect, with the message to show. */
const FINAL_MESSAGES = {
  401: "You are signed out. Sign in again to read the rest.",
  403: "You may no longer read this chat.",
  404: "This chat or message is gone.",
};

/**
 * @typedef {{phase: "waiting" | "streaming" | "reconnecting" | "ended", message: string,
 *            status?: "complete" | "stopped" | "failed", code?: number, problem?: any,
 *            error?: {code: string, message: string, retryable: boolean}}} State
 *   In phase "ended": either `status`, when the answer is finished, with the server's `error` if there
 *   is one; or `code` (the HTTP status, with the body as `problem`), when only this stream has failed.
 * @typedef {{text: (text: string) => void, state: (state: State) => void,
 *            event?: (event: import("./events.js").Event) => void}} Listener
 *   `text` gets the whole text so far; `event` gets all events but chunk, reset and done
 * @typedef {{events: (message: string) => string, message?: string,
 *            send?: (signal: AbortSignal) => Promise<Response>}} Source
 *   `events` returns the URL of a message's events. Without a `message` id, `send` requests the answer;
 *   it is repeated with the same Idempotency-Key until a "start" event has brought the id.
 * @typedef {import("./watchdog.js").Platform} Platform
 */

/** @type {Platform} */
const BROWSER = {
  fetch: (url, init) => fetch(url, init),
  now: () => performance.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  page: globalThis,
};

/**
 * Receives one answer to its end. After a lost connection it resumes with Last-Event-ID, without a
 * limit of attempts, so that the text is byte for byte the server's.
 */
export class AnswerStream {
  #source;
  #listener;
  #platform;
  #watchdog;
  #message;
  #text = "";
  #lastId = 0;
  #phase = "";
  #attempts = 0;
  #nextAt = 0;
  #wasAccepted = false; // a request was answered with a stream
  #isFinished = false; // ended or closed
  /** @type {State["error"]} */
  #error;

  /**
   * @param {Source} source
   * @param {Listener} listener
   * @param {Partial<Platform>} [platform]
   */
  constructor(source, listener, platform = {}) {
    this.#source = source;
    this.#listener = listener;
    this.#platform = { ...BROWSER, ...platform };
    this.#message = source.message ?? "";
    this.#watchdog = new Watchdog(this.#platform);
  }

  /** The text so far. */
  get text() {
    return this.#text;
  }

  /** The message to show while the connection is down; else empty. */
  get message() {
    return this.#phase === "reconnecting" ? retryMessage(this.#attempts, this.#nextAt - this.#platform.now()) : "";
  }

  /**
   * Receive until the end or `close`. Never rejects.
   * @param {Response} [response] of a request that was already sent
   */
  async start(response) {
    this.#setState({ phase: "waiting", message: "" });
    while (!this.#isFinished) {
      const startedAt = this.#platform.now();
      let retryAfter = 0;
      try {
        response ??= await this.#watchdog.request((signal) => this.#connect(signal));
        retryAfter = await this.#receive(response);
      } catch (error) {
        if (!this.#isFinished) console.error("An answer's connection was lost", error);
      }
      response = undefined;
      if (this.#isFinished) break;
      if (this.#platform.now() - startedAt >= GOOD_CONNECTION_MS) this.#attempts = 0;
      await this.#pause(retryAfter);
    }
    this.#watchdog.stop();
  }

  /** Disconnect. The server goes on writing the answer. */
  close() {
    this.#isFinished = true;
    this.#watchdog.stop();
  }

  /** @param {AbortSignal} signal */
  #connect(signal) {
    if (!this.#message && this.#source.send) return this.#source.send(signal);
    const headers = { Accept: "text/event-stream" };
    if (this.#lastId) headers["Last-Event-ID"] = String(this.#lastId);
    return this.#platform.fetch(this.#source.events(this.#message), { headers, signal, cache: "no-store" });
  }

  /**
   * Read one connection to its end.
   * @param {Response} response
   * @returns {Promise<number>} the server's Retry-After in milliseconds; 0 without one
   */
  async #receive(response) {
    if (!response.ok) return this.#handleError(response);
    if (response.status === 204) {
      this.#handleDone({ type: "done" }); // the server has no events after those that arrived
      return 0;
    }
    if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      throw new Error("The response is not an event stream");
    }
    this.#wasAccepted = true;
    const events = new EventReader();
    await this.#watchdog.read(response.body, (bytes) => {
      this.#updatePhase(); // any bytes, even a ping, prove the connection
      let hasChanged = false;
      try {
        for (const numbered of events.feed(bytes)) hasChanged = this.#handleEvent(numbered) || hasChanged;
      } finally {
        if (hasChanged) this.#notify(() => this.#listener.text(this.#text));
      }
      if (this.#isFinished) this.#watchdog.stop();
    });
    return 0;
  }

  /** @param {Response} response */
  async #handleError(response) {
    const { status } = response;
    const problem = await response.json().catch(() => null);
    if (this.#isFinished) return 0;
    const isTemporary = status >= 500 || [408, 425, 429].includes(status);
    if (isTemporary && (this.#wasAccepted || this.#message)) {
      return Math.min(1000 * (Number(response.headers.get("Retry-After")) || 0), MAX_RETRY_AFTER_MS);
    }
    const message = FINAL_MESSAGES[status] ?? [`Stream error: ${status}`, problem?.detail].filter(Boolean).join(". ");
    this.#end({ phase: "ended", message, code: status, problem });
    return 0;
  }

  /**
   * @param {import("./events.js").NumberedEvent} numbered
   * @returns {boolean} whether the text has changed
   */
  #handleEvent({ id, event }) {
    if (this.#isFinished || (id !== null && id <= this.#lastId && event.type !== "reset")) return false;
    this.#attempts = 0;
    if (event.type === "reset") {
      this.#lastId = 0; // the replay counts from 1 again
      this.#text = "";
      this.#error = undefined;
      return true;
    }
    if (id !== null) this.#lastId = id;
    if (event.type === "chunk") {
      this.#text += event.text;
      this.#updatePhase();
      return true;
    }
    if (event.type === "done") return this.#handleDone(event);
    if (event.type === "start") this.#message = event.message_id;
    else if (event.type === "error") this.#error = /** @type {any} */ (event);
    this.#notify(() => this.#listener.event?.(event));
    return false;
  }

  /** @param {import("./events.js").Event} event */
  #handleDone({ status = "complete" }) {
    this.#notify(() => this.#listener.text(this.#text)); // the whole text before the final state
    const isEmpty = status === "complete" && !this.#text;
    const message = this.#error?.message ?? (isEmpty ? "Response was empty" : "");
    this.#end({ phase: "ended", message, status, error: this.#error });
    return false;
  }

  #updatePhase() {
    const phase = this.#text ? "streaming" : "waiting";
    if (phase !== this.#phase) this.#setState({ phase, message: "" });
  }

  /** Wait before the next attempt. @param {number} minMs */
  async #pause(minMs) {
    this.#attempts += 1;
    const ms = Math.max(minMs, retryDelay(this.#attempts));
    this.#nextAt = this.#platform.now() + ms;
    this.#phase = "reconnecting";
    this.#setState({ phase: "reconnecting", message: this.message });
    await this.#watchdog.sleep(ms);
  }

  /** @param {State} state */
  #end(state) {
    this.#isFinished = true;
    this.#setState(state);
  }

  /** @param {State} state */
  #setState(state) {
    this.#phase = state.phase;
    this.#notify(() => this.#listener.state(state));
  }

  /** Call a listener; its exception must not look like a lost connection. @param {() => void} call */
  #notify(call) {
    try {
      call();
    } catch (error) {
      console.error("An answer could not be shown", error);
    }
  }
}
