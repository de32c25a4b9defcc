import { Uplink } from "./uplink.js";

const INTERVAL_MS = 100;
const WIDEST = 1280;
const QUALITY = 0.8;
const RETRY_MS = 2000;

/**
 * What became of one frame: `end` means that no further frame can be accepted either.
 * @typedef {{ok: boolean, sentence: string, end: boolean, waitMs: number}} Outcome
 */

/**
 * What an answer to a frame means.
 * @param {import("./uplink.js").Answer} answer
 * @returns {Outcome}
 */
export function outcomeOf({ type, status, field, detail }) {
  if (type !== "problem") return { ok: true, sentence: "", end: false, waitMs: 0 };
  if (field === "timestamp") {
    const sentence = "This device’s clock is more than a minute off. Set it, then publish again.";
    return { ok: false, sentence, end: true, waitMs: RETRY_MS };
  }
  const sentence = detail ?? `The server answered ${status}.`;
  return { ok: false, sentence, end: status === 400 || status === 409, waitMs: RETRY_MS };
}

/** Sends this browser's camera, the newest picture each time. */
export class Publisher extends EventTarget {
  #uplink;
  #camera;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  /** @type {MediaStream | null} */
  #media = null;
  #last = 0;
  #run = 0;
  #waitUntil = 0;
  sent = 0;

  /** @param {{path: string, detail: string, camera: string}} where socket path, API path, id */
  constructor(where) {
    super();
    this.#camera = where.camera;
    this.#uplink = new Uplink(where, {
      answer: (answer) => this.#answered(outcomeOf(answer)),
      over: (sentence) => this.stop(sentence),
    });
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  get running() {
    return this.#media !== null;
  }

  get size() {
    return `${this.#canvas.width} × ${this.#canvas.height}`;
  }

  /** Ask for the camera and begin. Rejects where the person or the browser refuses. */
  async start() {
    const run = ++this.#run;
    const wish = { video: { width: { ideal: WIDEST }, frameRate: { ideal: 15 } }, audio: false };
    const media = await navigator.mediaDevices.getUserMedia(wish);
    if (run !== this.#run) return media.getTracks().forEach((track) => track.stop());
    this.#media = media;
    this.sent = this.#waitUntil = 0;
    media.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was unplugged or taken away."));
    this.#video.srcObject = media;
    await this.#video.play();
    this.#uplink.start();
    this.#loop(run);
  }

  /** @param {string} [sentence] why, where it was not the person's wish */
  stop(sentence = "") {
    this.#run += 1;
    this.#uplink.stop();
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#media = null;
    this.#video.srcObject = null;
    this.dispatchEvent(new CustomEvent("stopped", { detail: sentence }));
  }

  /** @param {Outcome} outcome */
  #answered(outcome) {
    if (outcome.end) return this.stop(outcome.sentence);
    this.sent += outcome.ok ? 1 : 0;
    this.#waitUntil = performance.now() + outcome.waitMs;
    this.#say(outcome.ok, outcome.sentence);
  }

  /** @param {boolean} ok @param {string} sentence */
  #say(ok, sentence) {
    this.dispatchEvent(new CustomEvent("sent", { detail: { ok, sentence } }));
  }

  /** @param {number} run */
  async #loop(run) {
    while (run === this.#run) {
      const began = performance.now();
      if (this.#uplink.words) this.#say(false, this.#uplink.words);
      else if (began >= this.#waitUntil && this.#uplink.ready) await this.#send(run);
      const pause = INTERVAL_MS - (performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, pause)));
    }
  }

  /** @param {number} run */
  async #send(run) {
    try {
      const { jpeg, timestamp } = await this.#grab();
      if (run === this.#run) this.#uplink.send(timestamp, jpeg);
    } catch (error) {
      console.error(`Camera ${this.#camera}: a picture could not be made`, error);
    }
  }

  /** @returns {Promise<{jpeg: Blob, timestamp: number}>} */
  async #grab() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, WIDEST / videoWidth);
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    const context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.#last = Math.max(Date.now(), this.#last + 1);
    const timestamp = this.#last;
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    /** @type {Blob | null} */
    const jpeg = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!jpeg) throw new Error("The browser made no JPEG.");
    return { jpeg, timestamp };
  }
}
