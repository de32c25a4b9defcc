/** How often a camera takes a picture, and how long a page waits for the next one. Pure. */

/** 0.1 s under the promised 1.5 s: a tick later, no older picture is shown as live. */
export const LATE_MS = 1400;
/** A camera that is slower than this is called slow, and the page says how often it takes a picture. */
export const SLOW_MS = 1500;
const MAX_INTERVAL_MS = 60_000;
const SAMPLES = 3;

/**
 * The age from which a picture of a camera is late.
 * @param {number} interval milliseconds between two pictures; 0: unknown or short
 * @returns {number} milliseconds; `LATE_MS` for two pictures a second and more
 */
export function latenessLimit(interval) {
  return Math.max(LATE_MS, 1.5 * interval + 750);
}

/**
 * "every 10 s"; empty for a camera that is not slow.
 * @param {number} interval milliseconds
 */
export function intervalText(interval) {
  return interval >= SLOW_MS ? `every ${Math.round(interval / 1000)} s` : "";
}

/**
 * The interval between a camera's pictures: what the server measured, else what the frames tell.
 * Bound: `SAMPLES` numbers.
 */
export class PictureInterval {
  #reported = 0;
  /** @type {number[]} */
  #samples = [];
  /** @type {{run: number, seq: number, timestamp: number} | null} */
  #last = null;

  /**
   * Take the server's measure, if it has one.
   * @param {number | null | undefined} seconds `interval` of a status or of a frame's header
   */
  report(seconds) {
    if (Number.isFinite(seconds)) this.#reported = Math.min(Number(seconds) * 1000, MAX_INTERVAL_MS);
  }

  /** The server's measure no longer holds: it names none. */
  forget() {
    this.#reported = 0;
  }

  /**
   * Count a frame. Frames that were not sent to this page count, too: `seq` numbers them all, so a
   * slow connection does not look like a slow camera.
   * @param {{run?: number, seq?: number, timestamp: number}} header
   */
  count({ run = 0, seq = NaN, timestamp }) {
    const last = this.#last;
    if (last && last.run !== run) this.#samples = [];
    if (last && last.run === run && seq > last.seq) {
      this.#samples = [...this.#samples, (timestamp - last.timestamp) / (seq - last.seq)].slice(-SAMPLES);
    }
    this.#last = { run, seq, timestamp };
  }

  /**
   * Milliseconds; 0 until it is known. Of the frames' own intervals it is the shortest: a single gap is
   * no rate. For the same reason the server's measure holds no longer than frames confirm it.
   */
  get ms() {
    const isMeasured = this.#samples.length === SAMPLES;
    if (this.#reported) return isMeasured ? Math.min(this.#reported, Math.max(...this.#samples)) : this.#reported;
    return isMeasured ? Math.min(MAX_INTERVAL_MS, Math.max(0, Math.min(...this.#samples))) : 0;
  }
}
