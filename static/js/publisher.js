import { csrfToken } from "./csrf.js";

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
 * @param {number} status
 * @param {{detail?: string, errors?: Record<string, unknown>} | null} body
 * @param {number} retryAfter seconds; 0 where the answer named none
 * @returns {Outcome}
 */
export function outcomeOf(status, body, retryAfter = 0) {
  if (status >= 200 && status < 300) return { ok: true, sentence: "", end: false, waitMs: 0 };
  const detail = body?.detail ?? `The server answered ${status}.`;
  const waitMs = Math.max(RETRY_MS, retryAfter * 1000);
  if (status === 400 && (body?.errors?.timestamp || /timestamp/i.test(detail))) {
    const sentence = "This device’s clock is more than a minute off. Set it, then publish again.";
    return { ok: false, sentence, end: true, waitMs };
  }
  const end = [400, 401, 403, 404, 409, 413].includes(status);
  const sentence = status === 401 ? "You are signed out. Sign in to publish." : detail;
  return { ok: false, sentence, end, waitMs };
}

/** Base64 of a blob, in parts, since arguments are limited. @param {Blob} blob */
export async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

/** Sends this browser's camera, the newest picture each time, one request in flight. */
export class Publisher extends EventTarget {
  #address;
  #camera;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  /** @type {MediaStream | null} */
  #media = null;
  #last = 0;
  #run = 0;
  sent = 0;

  /** @param {{address: string, camera: string}} where */
  constructor({ address, camera }) {
    super();
    this.#address = address;
    this.#camera = camera;
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
    this.sent = 0;
    media.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was unplugged or taken away."));
    this.#video.srcObject = media;
    await this.#video.play();
    this.#loop(run);
  }

  /** @param {string} [sentence] why, where it was not the person's wish */
  stop(sentence = "") {
    this.#run += 1;
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#media = null;
    this.#video.srcObject = null;
    this.dispatchEvent(new CustomEvent("stopped", { detail: sentence }));
  }

  /** @param {number} run */
  async #loop(run) {
    while (run === this.#run) {
      const began = performance.now();
      const outcome = await this.#send();
      if (run !== this.#run) return;
      if (outcome.end) return this.stop(outcome.sentence);
      this.sent += outcome.ok ? 1 : 0;
      this.dispatchEvent(new CustomEvent("sent", { detail: outcome }));
      const pause = outcome.ok ? INTERVAL_MS - (performance.now() - began) : outcome.waitMs;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, pause)));
    }
  }

  /** @returns {Promise<Outcome>} */
  async #send() {
    try {
      const { frame, timestamp } = await this.#grab();
      const answer = await fetch(this.#address, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
        body: JSON.stringify({
          streamName: "webcam", streamType: "frame", frame, timestamp, camera_id: this.#camera,
        }),
      });
      const body = answer.ok ? null : await answer.json().catch(() => null);
      return outcomeOf(answer.status, body, Number(answer.headers.get("Retry-After")) || 0);
    } catch (error) {
      console.error(`Camera ${this.#camera}: a frame could not be sent`, error);
      const sentence = "The server cannot be reached. Trying again.";
      return { ok: false, sentence, end: false, waitMs: RETRY_MS };
    }
  }

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
    const blob = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!blob) throw new Error("The browser made no JPEG.");
    return { frame: await base64(blob), timestamp };
  }
}
