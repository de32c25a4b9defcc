/** How old the picture is, and so what may be said of it. Pure: the caller brings the clock. */

import { timeIn } from "./clock.js";

/** A tick and a paint early, so that nothing older than three seconds is ever shown as live. */
export const STALE_MS = 2700;

/**
 * @typedef {"connecting" | "live" | "stale" | "offline" | "ended"} State
 * @typedef {{state: State, age: string, words: string, reason: string}} View
 *   `words`: the state in words, without its reason; `age`: "0.2 s" while live, else empty.
 */

/**
 * What the server and the clock together say of one camera. Times named `now` are monotonic
 * milliseconds of this machine; the picture's age comes from the server's `age_ms` plus the time
 * since its arrival, so the wall clock of this machine is never asked.
 */
export class Freshness {
  #zone;
  #arrival = -Infinity;
  #ageThen = 0;
  /** @type {number | null} */
  #pictureAt;
  /** @type {{state: string, since: number, reason: string}} */
  #status;

  /**
   * @param {string} zone
   * @param {{state?: string, since?: number, reason?: string, pictureAt?: number | null}} [known]
   *   what the page said when it was made
   */
  constructor(zone, known = {}) {
    this.#zone = zone;
    this.#pictureAt = known.pictureAt ?? null;
    const { state = "connecting", since = 0, reason = "" } = known;
    this.#status = worded({ state: state === "live" ? "connecting" : state, since, reason });
  }

  /**
   * A picture arrived.
   * @param {number} now
   * @param {{timestamp: number, age_ms: number}} header
   */
  picture(now, header) {
    this.#arrival = now;
    this.#ageThen = header.age_ms;
    this.#pictureAt = header.timestamp;
    // On joining, a dead camera's last picture comes too; it proves nothing.
    if (header.age_ms < STALE_MS) this.#status = { state: "live", since: header.timestamp, reason: "" };
  }

  /**
   * The server said how the camera is doing.
   * @param {{state: string, since: number, reason: string, last_frame: number | null}} status
   */
  status(status) {
    // "Nothing arrives" without any picture says less than "offline since" or "switched off".
    const known = this.#status.state === "offline" || this.#status.state === "ended";
    if (known && status.state === "stale" && status.last_frame === null) return;
    this.#status = worded(status);
    if (status.last_frame !== null) this.#pictureAt = Math.max(this.#pictureAt ?? 0, status.last_frame);
  }

  /** Nobody looks: pictures are not taken in, so their age says nothing until the next one. */
  rest() {
    this.#arrival = -Infinity;
  }

  /** The connection was given up: what the server said last may not be so any more. */
  forget() {
    this.rest();
    this.#status = { state: "connecting", since: 0, reason: "" };
  }

  /**
   * Milliseconds since the picture on screen was taken; Infinity before the first.
   * @param {number} now
   */
  age(now) {
    return this.#ageThen + Math.max(0, now - this.#arrival);
  }

  /**
   * What may be said now.
   * @param {number} now
   * @returns {View}
   */
  view(now) {
    const { state, reason } = this.#status;
    if (state === "offline" || state === "ended") return this.#dead(state, reason);
    const age = this.age(now);
    if (age < STALE_MS) {
      const text = `${(age / 1000).toFixed(1)} s`;
      return { state: "live", age: text, words: "Live", reason: "" };
    }
    const waits = state === "connecting" || (this.#arrival === -Infinity && state !== "stale");
    if (this.#pictureAt === null || waits) {
      return { state: "connecting", age: "", words: this.#before(), reason };
    }
    const last = timeIn(this.#pictureAt, this.#zone, { seconds: true, now: this.#today(now) });
    return { state: "stale", age: "", words: `Stale, last picture ${last}`, reason };
  }

  #before() {
    if (this.#pictureAt === null) return "Connecting";
    return `Connecting, last picture ${timeIn(this.#pictureAt, this.#zone, { seconds: true })}`;
  }

  /**
   * @param {"offline" | "ended"} state
   * @param {string} reason
   * @returns {View}
   */
  #dead(state, reason) {
    if (state === "ended") {
      const more = /switched off/i.test(reason) ? "" : reason;
      return { state, age: "", words: "Switched off", reason: more };
    }
    const since = timeIn(this.#status.since, this.#zone, { now: Date.now() });
    return { state, age: "", words: `Offline since ${since}`, reason };
  }

  /** The server's time of day: when the picture was taken plus its age. */
  #today(now) {
    const age = this.age(now);
    return Number.isFinite(age) && this.#pictureAt !== null ? this.#pictureAt + age : undefined;
  }
}

/**
 * On the wire, a camera that is being connected to is offline with "Connecting." as its reason.
 * @param {{state: string, since: number, reason: string}} status
 */
function worded({ state, since, reason }) {
  const plain = /^connecting\W*$/i.test(reason);
  const connecting = state === "connecting" || (state === "offline" && plain);
  return { state: connecting ? "connecting" : state, since, reason: plain ? "" : reason };
}
