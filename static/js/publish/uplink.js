import { ASK_FROM_TRY, refusalCode, socketAddress, waitBefore, waitingWords } from "../shell/retry.js";

const V1 = "sideline.v1";
const CREDITS = 2; // frames that may be on their way without an answer
const SILENCE_MS = 10_000; // a server that answers nothing for so long is not there

/** Close codes after which another try would be answered the same. */
const FINAL = {
  1009: "The pictures are larger than the server takes.",
  4401: "You are signed out. Sign in to publish.",
  4403: "You may no longer publish to this camera.",
  4404: "This camera is gone.",
  4429: "The server ended this: too much was sent at once. Publish again.",
};

/**
 * What the server says to a frame: `ack` names it and all before.
 * @typedef {{ack?: number, duplicate?: boolean, dropped?: number, type?: "problem", status?: number,
 *            field?: string, detail?: string}} Answer
 * @typedef {{answer: (answer: Answer) => void, over: (sentence: string) => void}} Listener
 */

/** The `sideline.v1` message of a picture. @param {object} header @param {Blob} jpeg */
export function messageOf(header, jpeg) {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, head.length);
  return new Blob([length.buffer, head, jpeg]);
}

/** Takes pictures to the server over a WebSocket: it comes back after a loss, and says so. */
export class Uplink {
  #url;
  #detail;
  #listener;
  /** @type {WebSocket | null} */
  #socket = null;
  #seq = 0;
  #acknowledged = 0;
  #silence = 0;
  #tries = 0;
  #nextAt = 0;
  #timer = 0;

  /**
   * @param {{path: string, detail: string}} where socket path, API path of the camera
   * @param {Listener} listener
   */
  constructor(where, listener) {
    this.#url = socketAddress(where.path);
    this.#detail = where.detail;
    this.#listener = listener;
    addEventListener("online", () => this.#timer && this.#connect());
  }

  /** Connect, and stay connected. */
  start() {
    this.#tries = 0;
    this.#connect();
  }

  /** Disconnect until `start`. */
  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    this.#expect();
    socket?.close(1000);
  }

  /** What is said of the connection now; nothing while it is up. */
  get words() {
    const waiting = this.#tries > 0 && this.#socket?.readyState !== WebSocket.OPEN;
    return waiting ? waitingWords(this.#tries, this.#nextAt - performance.now()) : "";
  }

  /** Whether a picture would be sent now. */
  get ready() {
    return this.#socket?.readyState === WebSocket.OPEN && this.#seq - this.#acknowledged < CREDITS;
  }

  /** @param {number} timestamp unix ms @param {Blob} jpeg */
  send(timestamp, jpeg) {
    if (!this.ready) return;
    this.#seq += 1;
    this.#socket?.send(messageOf({ timestamp, seq: this.#seq }, jpeg));
    if (!this.#silence) this.#expect();
  }

  /** Take the connection for lost where no answer comes, though one is due. */
  #expect() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    const due = socket !== null && this.#seq > this.#acknowledged;
    this.#silence = due ? setTimeout(() => this.#lost(socket, 1006), SILENCE_MS) : 0;
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#nextAt = 0;
    const socket = new WebSocket(this.#url, V1);
    socket.onopen = () => {
      this.#acknowledged = this.#seq; // what was on its way is lost
    };
    socket.onmessage = (event) => socket === this.#socket && this.#hear(event.data);
    socket.onclose = (event) => this.#lost(socket, event.code, event.reason);
    this.#socket = socket;
  }

  /** @param {string} data */
  #hear(data) {
    const answer = JSON.parse(data);
    this.#acknowledged = answer.ack ?? this.#seq;
    this.#expect();
    this.#tries = 0; // only an answer proves that the connection is good
    this.#listener.answer(answer);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   * @param {string} [reason]
   */
  #lost(socket, code, reason) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#expect();
    socket.close();
    if (FINAL[code]) return this.#end(reason && code === 4403 ? reason : FINAL[code]);
    this.#tries += 1;
    const wait = waitBefore(this.#tries);
    this.#nextAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.#connect(), wait);
    if (this.#tries >= ASK_FROM_TRY) this.#askWhy();
  }

  async #askWhy() {
    const code = await refusalCode(this.#detail);
    if (code && this.#timer) this.#end(FINAL[code]);
  }

  /** @param {string} sentence */
  #end(sentence) {
    this.stop();
    this.#listener.over(sentence);
  }
}
