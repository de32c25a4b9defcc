import { parseFrame } from "./frames.js";
import {
  ASK_FROM_TRY,
  finalWord,
  refusalCode,
  socketAddress,
  waitBefore,
  waitingWords,
} from "../shell/retry.js";

const V1 = "sideline.v1";
const HIDDEN_MS = 20_000; // a hidden page keeps its connection this long

/**
 * @typedef {{state: string, since: number, reason: string, last_frame: number | null,
 *            viewers?: number}} Status
 * @typedef {{phase: "connecting" | "open" | "waiting" | "closed" | "over", words: string,
 *            code?: number}} Link
 *   `closed`: by this page, because nobody looks; `over`: for good
 *
 * What a stream tells its owner. `frame` may return a promise: its end is the acknowledgement.
 * @typedef {{frame: (frame: import("./frames.js").Frame) => unknown, status: (status: Status) => void,
 *            link: (link: Link) => void, dropped?: (frames: number) => void}} Listener
 */

/** One camera's pictures over a WebSocket, for ever: it comes back after a loss, and says so. */
export class CameraStream {
  #url;
  #detail;
  #camera;
  #listener;
  /** @type {WebSocket | null} */
  #socket = null;
  #tries = 0;
  #nextAt = 0;
  #timer = 0;
  #hiddenTimer = 0;
  #wanted = false;
  #over = false;

  /**
   * @param {{path: string, detail: string, camera: string}} where socket path, API path, id
   * @param {Listener} listener
   */
  constructor(where, listener) {
    this.#url = socketAddress(where.path);
    this.#detail = where.detail;
    this.#camera = where.camera;
    this.#listener = listener;
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.#resume());
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  /**
   * Which variant of the pictures to ask for from now on; an open connection is replaced.
   * @param {string} query such as `?width=320&fps=5`, or empty
   */
  ask(query) {
    const url = new URL(this.#url);
    if (url.search === query) return;
    url.search = query;
    this.#url = url.href;
    const socket = this.#socket;
    if (!socket) return;
    this.#connect();
    socket.close(1000);
  }

  /** Connect, and stay connected. */
  start() {
    this.#wanted = true;
    this.#resume();
  }

  /** Disconnect until `start`. */
  stop() {
    this.#wanted = false;
    this.#close();
  }

  /** What is said of the connection now; nothing while it is up. */
  get words() {
    const waiting = !this.#over && this.#tries > 0 && this.#socket?.readyState !== WebSocket.OPEN;
    return waiting ? waitingWords(this.#tries, this.#nextAt - performance.now()) : "";
  }

  #resume() {
    if (!this.#wanted || this.#socket || this.#over || document.hidden) return;
    this.#tries = 0;
    this.#connect();
  }

  #hurry() {
    if (this.#timer) this.#connect();
  }

  #visibility() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) this.#hiddenTimer = setTimeout(() => this.#close(), HIDDEN_MS);
    else if (this.#timer) this.#connect();
    else this.#resume();
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#nextAt = 0;
    this.#listener.link({ phase: "connecting", words: this.words });
    const socket = new WebSocket(this.#url, V1);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#listener.link({ phase: "open", words: "" });
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(socket, event.data);
    };
    socket.onerror = () => {
      if (socket !== this.#socket) return; // closed by this page before it was open
      console.error(`Camera ${this.#camera}: the stream connection failed`);
    };
    socket.onclose = (event) => this.#lost(socket, event.code);
    this.#socket = socket;
  }

  /**
   * @param {WebSocket} socket
   * @param {ArrayBuffer | string} data
   */
  async #receive(socket, data) {
    try {
      if (typeof data === "string") return this.#word(JSON.parse(data));
      const frame = parseFrame(data);
      this.#tries = 0; // only a picture proves that the connection is good
      try {
        if (!document.hidden) await this.#listener.frame(frame);
      } finally {
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: frame.header.seq }));
      }
    } catch (error) {
      console.error(`Camera ${this.#camera}: a message could not be read`, error);
    }
  }

  /** @param {{type: string} & Record<string, any>} message */
  #word(message) {
    if (message.type === "status") {
      this.#tries = 0;
      this.#listener.status(/** @type {any} */ (message));
    } else if (message.type === "dropped") {
      this.#listener.dropped?.(message.frames);
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  #lost(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    if (finalWord(code)) return this.#end(code);
    this.#tries += 1;
    const wait = waitBefore(this.#tries);
    this.#nextAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#listener.link({ phase: "waiting", words: this.words });
    if (this.#tries >= ASK_FROM_TRY) this.#askWhy();
  }

  async #askWhy() {
    const code = await refusalCode(this.#detail);
    if (code && !this.#socket) this.#end(code);
  }

  /** @param {number} code */
  #end(code) {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#listener.link({ phase: "over", words: finalWord(code) ?? "", code });
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    if (!this.#over) this.#listener.link({ phase: "closed", words: "" });
  }
}
