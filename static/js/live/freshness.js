/** The age of a camera's picture and the state that follows from it. Pure: the caller passes the time. */

import { LATE_MS, PictureInterval, intervalText, latenessLimit } from "./interval.js";
import { formatTime } from "./time.js";

const WAITING = "Waiting for its first picture";
const AGE_TEXT_MS = 60_000; // an older picture is told by its time

/**
 * @typedef {"connecting" | "waiting" | "live" | "stale" | "offline" | "ended"} State
 * @typedef {{state: State, age: string, label: string, reason: string, interval: string}} View
 *   `label`: the state as text, without its reason; `age`: "0.2 s" while live, else empty;
 *   `interval`: "every 10 s" of a slow camera that is live, else empty
 */

/**
 * The state of one camera, from the server's status messages and the age of the last picture.
 * Parameters called `now` are monotonic milliseconds of this machine. The picture's age is the
 * server's `age_ms` plus the time since it arrived, so a wrong local clock does no harm.
 */
export class Freshness {
  #zone;
  #isPushed;
  #interval = new PictureInterval();
  #arrivedAt = -Infinity;
  #ageOnArrival = 0;
  /** @type {number | null} */
  #pictureAt;
  /** @type {{state: string, since: number, reason: string}} */
  #status;

  /**
   * @param {string} zone IANA time zone of the camera
   * @param {{state?: string, since?: number, reason?: string, pictureAt?: number | null,
   *          isPushed?: boolean}} [initial] the state that the page was rendered with; `isPushed`: a
   *   device or a browser sends the pictures
   */
  constructor(zone, initial = {}) {
    this.#zone = zone;
    this.#isPushed = initial.isPushed ?? false;
    this.#pictureAt = initial.pictureAt ?? null;
    const { state = "connecting", since = 0, reason = "" } = initial;
    const known = { live: "connecting", waiting: "offline" }[state] ?? state; // only the socket says live
    this.#status = normalize({ state: known, since, reason });
  }

  /**
   * Record that a picture arrived.
   * @param {number} now
   * @param {{timestamp: number, age_ms: number, run?: number, seq?: number, interval?: number}} header
   */
  addPicture(now, header) {
    this.#arrivedAt = now;
    this.#ageOnArrival = header.age_ms;
    this.#pictureAt = header.timestamp;
    this.#interval.count(header);
    this.#interval.report(header.interval);
    // A new viewer also gets the last picture of an offline camera; only a fresh one means live.
    const isInactive = this.#status.state === "offline" || this.#status.state === "ended";
    const limit = isInactive ? LATE_MS : latenessLimit(this.#interval.ms);
    if (header.age_ms < limit) this.#status = { state: "live", since: header.timestamp, reason: "" };
  }

  /**
   * Record a status message of the server.
   * @param {{state: string, since: number, reason: string, last_frame: number | null,
   *          interval?: number | null}} status
   */
  setStatus(status) {
    if (status.interval) this.#interval.report(status.interval);
    else this.#interval.forget();
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
    if (this.#isWaiting()) return { state: "waiting", age: "", label: WAITING, reason: "", interval: "" };
    if (state === "offline" || state === "ended") return this.#inactiveView(state, reason);
    const age = this.age(now);
    const interval = this.#interval.ms;
    if (age < latenessLimit(interval)) {
      return { state: "live", age: ageText(age), label: "Live", reason: "", interval: intervalText(interval) };
    }
    const isConnecting = state === "connecting" || (this.#arrivedAt === -Infinity && state !== "stale");
    if (this.#pictureAt === null || isConnecting) {
      return { state: "connecting", age: "", label: this.#connectingLabel(), reason, interval: "" };
    }
    const last = formatTime(this.#pictureAt, this.#zone, { seconds: true, now: this.#serverTime(now) });
    const text = age < AGE_TEXT_MS ? `${ageText(age)} old` : `last picture ${last}`;
    return { state: "stale", age: "", label: `Stale, ${text}`, reason, interval: "" };
  }

  /** A pushed camera to which nothing was sent yet: nothing has failed. */
  #isWaiting() {
    const { state, reason } = this.#status;
    return this.#isPushed && state === "connecting" && /^waiting for/i.test(reason);
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
      return { state, age: "", label: "Switched off", reason: detail, interval: "" };
    }
    const since = formatTime(this.#status.since, this.#zone, { now: Date.now() });
    return { state, age: "", label: `Offline since ${since}`, reason, interval: "" };
  }

  /** Unix milliseconds by the server's clock; undefined before the first picture. @param {number} now */
  #serverTime(now) {
    const age = this.age(now);
    return Number.isFinite(age) && this.#pictureAt !== null ? this.#pictureAt + age : undefined;
  }
}

/** @param {number} ms an age @returns {string} "0.6 s", "4.2 s", "12 s" */
function ageText(ms) {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/**
 * The server sends a camera that it is connecting to as offline, with the reason "Connecting." or with
 * what it waits for: then nothing has failed.
 * @param {{state: string, since: number, reason: string}} status
 */
function normalize({ state, since, reason: sent }) {
  const reason = sent.replace(/^connect(ing|ed)\b\W*/i, "");
  const isConnecting = state === "offline" && (reason ? /^waiting for/i.test(reason) : sent !== "");
  return { state: isConnecting ? "connecting" : state, since, reason };
}
