import { Uplink } from "./uplink.js";

const INTERVAL_MS = 100;
const MAX_WIDTH = 1280;
const MAX_FPS = 15;
const JPEG_QUALITY = 0.8;
const RETRY_MS = 2000;
const CLOCK_STEP_MS = 1000; // a clock that is further behind the last picture was set back

/**
 * The result of sending one frame.
 * @typedef {{ok: boolean, sentence: string, isFinal: boolean, waitMs: number}} Outcome
 *   `isFinal`: later frames would be refused too; `waitMs`: pause before the next frame
 */

/**
 * @param {import("./uplink.js").Answer} answer
 * @returns {Outcome}
 */
export function toOutcome({ type, status, field, detail }) {
  if (type !== "problem") return { ok: true, sentence: "", isFinal: false, waitMs: 0 };
  if (field === "timestamp") {
    const sentence = "This device’s clock is more than a minute off. Set it, then publish again.";
    return { ok: false, sentence, isFinal: true, waitMs: RETRY_MS };
  }
  const sentence = detail ?? `The server answered ${status}.`;
  return { ok: false, sentence, isFinal: status === 400 || status === 409, waitMs: RETRY_MS };
}

/**
 * Publishes this browser's camera: always the newest picture, at most ten per second.
 * Dispatches "sent" `{ok, sentence}` and "stopped" (a sentence; empty after the user's own stop).
 */
export class Publisher extends EventTarget {
  #uplink;
  #camera;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  /** @type {MediaStream | null} */
  #media = null;
  #lastTimestamp = 0;
  #run = 0; // incremented by each start and stop: a loop of an earlier run ends
  #waitUntil = 0;

  /** @param {{path: string, detail: string, camera: string}} target socket path, API path, camera id */
  constructor(target) {
    super();
    this.#camera = target.camera;
    this.#uplink = new Uplink(target, {
      answer: (answer) => this.#handleOutcome(toOutcome(answer)),
      ended: (sentence) => this.stop(sentence),
    });
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  get isRunning() {
    return this.#media !== null;
  }

  get size() {
    return `${this.#canvas.width} × ${this.#canvas.height}`;
  }

  /** Open the camera and start publishing. Rejects if the user or the browser refuses the camera. */
  async start() {
    const run = ++this.#run;
    const constraints = { video: { width: { ideal: MAX_WIDTH }, frameRate: { ideal: MAX_FPS } }, audio: false };
    const media = await navigator.mediaDevices.getUserMedia(constraints);
    if (run !== this.#run) return media.getTracks().forEach((track) => track.stop());
    this.#media = media;
    this.#waitUntil = 0;
    media.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was unplugged or taken away."));
    this.#video.srcObject = media;
    await this.#video.play();
    this.#uplink.start();
    this.#loop(run);
  }

  /** @param {string} [sentence] the reason, if the user did not stop it */
  stop(sentence = "") {
    this.#run += 1;
    this.#uplink.stop();
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#media = null;
    this.#video.srcObject = null;
    this.dispatchEvent(new CustomEvent("stopped", { detail: sentence }));
  }

  /** @param {Outcome} outcome */
  #handleOutcome(outcome) {
    if (outcome.isFinal) return this.stop(outcome.sentence);
    this.#waitUntil = performance.now() + outcome.waitMs;
    this.#dispatchSent(outcome.ok, outcome.sentence);
  }

  /** @param {boolean} ok @param {string} sentence */
  #dispatchSent(ok, sentence) {
    this.dispatchEvent(new CustomEvent("sent", { detail: { ok, sentence } }));
  }

  /** @param {number} run */
  async #loop(run) {
    while (run === this.#run) {
      const startedAt = performance.now();
      if (this.#uplink.message) this.#dispatchSent(false, this.#uplink.message);
      else if (startedAt >= this.#waitUntil && this.#uplink.isReady) await this.#send(run);
      const pause = INTERVAL_MS - (performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, pause)));
    }
  }

  /** @param {number} run */
  async #send(run) {
    try {
      const { jpeg, timestamp } = await this.#capture();
      if (run === this.#run) this.#uplink.send(timestamp, jpeg);
    } catch (error) {
      console.error(`Camera ${this.#camera}: no picture could be captured`, error);
    }
  }

  /** @returns {Promise<{jpeg: Blob, timestamp: number}>} */
  async #capture() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, MAX_WIDTH / videoWidth);
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    const context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    const timestamp = nextTimestamp(Date.now(), this.#lastTimestamp);
    this.#lastTimestamp = timestamp;
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    /** @type {Blob | null} */
    const jpeg = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
    if (!jpeg) throw new Error("The browser could not encode the picture as JPEG.");
    return { jpeg, timestamp };
  }
}

/**
 * The capture time of the next picture: strictly increasing, unless the clock was set back.
 * @param {number} now unix ms
 * @param {number} last that of the last picture
 */
export function nextTimestamp(now, last) {
  return last - now > CLOCK_STEP_MS ? now : Math.max(now, last + 1);
}
