/** The age of a camera's picture and the state that follows from it. Pure: the caller passes the time. */

import { formatTime } from "./time.js";

/** 0.3 s under the promised 3 s: a tick and a repaint later, no older picture is shown as live. */
export const STALE_MS = 2700;

/**
 * @typedef {"connecting" | "live" | "stale" | "offline" | "ended"} State
 * @typedef {{state: State, age: string, label: string, reason: string}} View
 *   `label`: the state as text, without its reason; `age`: "0.2 s" while live, else empty
 */

/**
 * The state of one camera, from the server's status messages and the age of the last picture.
 * Parameters called `now` are monotonic milliseconds of this machine. The picture's age is the
 * server's `age_ms` plus the time since it arrived, so a wrong local clock does no harm.
 */
export class Freshness {
  #zone;
  #arrivedAt = -Infinity;
  #ageOnArrival = 0;
  /** @type {number | null} */
  #pictureAt;
  /** @type {{state: string, since: number, reason: string}} */
  #status;

  /**
   * @param {string} zone IANA time zone of the camera
   * @param {{state?: string, since?: number, reason?: string, pictureAt?: number | null}} [initial]
   *   the state that the page was rendered with
   */
  constructor(zone, initial = {}) {
    this.#zone = zone;
    this.#pictureAt = initial.pictureAt ?? null;
    const { state = "connecting", since = 0, reason = "" } = initial;
    this.#status = normalize({ state: state === "live" ? "connecting" : state, since, reason });
  }

  /**
   * Record that a picture arrived.
   * @param {number} now
   * @param {{timestamp: number, age_ms: number}} header
   */
  addPicture(now, header) {
    this.#arrivedAt = now;
    this.#ageOnArrival = header.age_ms;
    this.#pictureAt = header.timestamp;
    // A new viewer also gets the last picture of an offline camera; only a fresh one means live.
    if (header.age_ms < STALE_MS) this.#status = { state: "live", since: header.timestamp, reason: "" };
  }

  /**
   * Record a status message of the server.
   * @param {{state: string, since: number, reason: string, last_frame: number | null}} status
   */
  setStatus(status) {
    // "Stale" without any picture says less than "offline since" or "switched off".
    const isKnown = this.#status.state === "offline" || this.#status.state === "ended";
    if (isKnown && status.state === "stale" && status.last_frame === null) return;
    this.#status = normalize(status);
    if (status.last_frame !== null) this.#pictureAt = status.last_frame;
  }

  /** The page or tile is hidden and takes no pictures: until the next one, no age is known. */
  pause() {
    this.#arrivedAt = -Infinity;
  }

  /** The connection was closed: the last status may be out of date. */
  reset() {
    this.pause();
    this.#status = { state: "connecting", since: 0, reason: "" };
  }

  /**
   * Age of the displayed picture in milliseconds; Infinity before the first.
   * @param {number} now
   */
  age(now) {
    return this.#ageOnArrival + Math.max(0, now - this.#arrivedAt);
  }

  /**
   * The state to display.
   * @param {number} now
   * @returns {View}
   */
  view(now) {
    const { state, reason } = this.#status;
    if (state === "offline" || state === "ended") return this.#inactiveView(state, reason);
    const age = this.age(now);
    if (age < STALE_MS) {
      const text = `${(age / 1000).toFixed(1)} s`;
      return { state: "live", age: text, label: "Live", reason: "" };
    }
    const isConnecting = state === "connecting" || (this.#arrivedAt === -Infinity && state !== "stale");
    if (this.#pictureAt === null || isConnecting) {
      return { state: "connecting", age: "", label: this.#connectingLabel(), reason };
    }
    const last = formatTime(this.#pictureAt, this.#zone, { seconds: true, now: this.#serverTime(now) });
    return { state: "stale", age: "", label: `Stale, last picture ${last}`, reason };
  }

  #connectingLabel() {
    if (this.#pictureAt === null) return "Connecting";
    return `Connecting, last picture ${formatTime(this.#pictureAt, this.#zone, { seconds: true })}`;
  }

  /**
   * @param {"offline" | "ended"} state
   * @param {string} reason
   * @returns {View}
   */
  #inactiveView(state, reason) {
    if (state === "ended") {
      const detail = /switched off/i.test(reason) ? "" : reason;
      return { state, age: "", label: "Switched off", reason: detail };
    }
    const since = formatTime(this.#status.since, this.#zone, { now: Date.now() });
    return { state, age: "", label: `Offline since ${since}`, reason };
  }

  /** Unix milliseconds by the server's clock; undefined before the first picture. @param {number} now */
  #serverTime(now) {
    const age = this.age(now);
    return Number.isFinite(age) && this.#pictureAt !== null ? this.#pictureAt + age : undefined;
  }
}

/**
 * The server sends a camera that it is connecting to as offline with the reason "Connecting."
 * @param {{state: string, since: number, reason: string}} status
 */
function normalize({ state, since, reason }) {
  const isPlaceholder = /^connecting\W*$/i.test(reason);
  const isConnecting = state === "connecting" || (state === "offline" && isPlaceholder);
  return { state: isConnecting ? "connecting" : state, since, reason: isPlaceholder ? "" : reason };
}
