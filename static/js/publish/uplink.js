import {
  CHECK_REFUSAL_FROM_ATTEMPT,
  refusalCode,
  retryDelay,
  retryMessage,
  socketUrl,
} from "../shell/retry.js";

const V1 = "sideline.v1";
const MAX_UNACKNOWLEDGED = 2; // frames
const ACK_TIMEOUT_MS = 10_000; // without an answer for this long, the connection counts as lost

/** Close codes after which a client must not reconnect, with the sentence to show. */
const FINAL_REASONS = {
  1009: "The pictures are larger than the server takes.",
  4401: "You are signed out. Sign in to publish.",
  4403: "You may no longer publish to this camera.",
  4404: "This camera is gone.",
  4429: "The server ended this: too much was sent at once. Publish again.",
};

/**
 * The server's answer to a frame; `ack` acknowledges that frame and all before it.
 * @typedef {{ack?: number, duplicate?: boolean, dropped?: number, type?: "problem", status?: number,
 *            field?: string, detail?: string}} Answer
 * @typedef {{answer: (answer: Answer) => void, ended: (sentence: string) => void}} Listener
 *   `ended`: the connection will not be retried
 */

/** Encode a picture as a `sideline.v1` message. @param {object} header @param {Blob} jpeg */
export function encodeFrame(header, jpeg) {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length);
  return new Blob([length.buffer, json, jpeg]);
}

/** Sends pictures to the server over a WebSocket. Reconnects without a limit of attempts. */
export class Uplink {
  #url;
  #detail;
  #listener;
  /** @type {WebSocket | null} */
  #socket = null;
  #seq = 0;
  #acknowledged = 0;
  #ackTimer = 0;
  #attempts = 0;
  #nextAt = 0;
  #retryTimer = 0;

  /**
   * @param {{path: string, detail: string}} target socket path, API path of the camera
   * @param {Listener} listener
   */
  constructor({ path, detail }, listener) {
    this.#url = socketUrl(path);
    this.#detail = detail;
    this.#listener = listener;
    addEventListener("online", () => this.#retryTimer && this.#connect());
  }

  /** Connect, and stay connected. */
  start() {
    this.#attempts = 0;
    this.#connect();
  }

  /** Disconnect until `start`. */
  stop() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    const socket = this.#socket;
    this.#socket = null;
    this.#restartAckTimer();
    socket?.close(1000);
  }

  /** The message to show while the connection is down; else empty. */
  get message() {
    const isDown = this.#attempts > 0 && this.#socket?.readyState !== WebSocket.OPEN;
    return isDown ? retryMessage(this.#attempts, this.#nextAt - performance.now()) : "";
  }

  /** Whether a picture can be sent now. */
  get isReady() {
    return this.#socket?.readyState === WebSocket.OPEN && this.#seq - this.#acknowledged < MAX_UNACKNOWLEDGED;
  }

  /** @param {number} timestamp unix ms @param {Blob} jpeg */
  send(timestamp, jpeg) {
    if (!this.isReady) return;
    this.#seq += 1;
    this.#socket?.send(encodeFrame({ timestamp, seq: this.#seq }, jpeg));
    if (!this.#ackTimer) this.#restartAckTimer();
  }

  /** Drop the connection after `ACK_TIMEOUT_MS`, if an answer is due. */
  #restartAckTimer() {
    clearTimeout(this.#ackTimer);
    const socket = this.#socket;
    const isDue = socket !== null && this.#seq > this.#acknowledged;
    this.#ackTimer = isDue ? setTimeout(() => this.#closed(socket, 1006), ACK_TIMEOUT_MS) : 0;
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    this.#nextAt = 0;
    const socket = new WebSocket(this.#url, V1);
    socket.onopen = () => {
      this.#acknowledged = this.#seq; // frames of the former connection are lost
    };
    socket.onmessage = (event) => socket === this.#socket && this.#receive(event.data);
    socket.onclose = (event) => this.#closed(socket, event.code, event.reason);
    this.#socket = socket;
  }

  /** @param {string} data */
  #receive(data) {
    const answer = JSON.parse(data);
    this.#acknowledged = answer.ack ?? this.#seq;
    this.#restartAckTimer();
    this.#attempts = 0; // not on open: only an answer proves a good connection
    this.#listener.answer(answer);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   * @param {string} [reason]
   */
  #closed(socket, code, reason) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#restartAckTimer();
    socket.close();
    if (FINAL_REASONS[code]) return this.#end(reason && code === 4403 ? reason : FINAL_REASONS[code]);
    this.#attempts += 1;
    const delay = retryDelay(this.#attempts);
    this.#nextAt = performance.now() + delay;
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    if (this.#attempts >= CHECK_REFUSAL_FROM_ATTEMPT) this.#checkRefusal();
  }

  async #checkRefusal() {
    const code = await refusalCode(this.#detail);
    if (code && this.#retryTimer) this.#end(FINAL_REASONS[code]);
  }

  /** @param {string} sentence */
  #end(sentence) {
    this.stop();
    this.#listener.ended(sentence);
  }
}
