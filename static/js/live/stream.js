import { parseFrame } from "./frames.js";
import { TicketRefused, requestTicket } from "./ticket.js";
import {
  CHECK_REFUSAL_FROM_ATTEMPT,
  finalReason,
  refusalCode,
  retryDelay,
  retryMessage,
  socketUrl,
} from "../shell/retry.js";

const V1 = "sideline.v1";
const HIDDEN_MS = 20_000; // a hidden page keeps its connection this long

/**
 * @typedef {{state: string, since: number, reason: string, last_frame: number | null,
 *            viewers?: number}} Status
 * @typedef {{phase: "connecting" | "open" | "waiting" | "closed" | "ended", message: string,
 *            code?: number, refused?: boolean}} Connection
 *   `waiting`: for the next attempt; `closed`: by this page, because nobody looks at it; `ended`: will
 *   not be retried, `code` is the close code; `refused`: the server has no place now, and says so in
 *   the message
 *
 * Callbacks of a stream. The frame is acknowledged when the promise of `frame` settles.
 * @typedef {{frame: (frame: import("./frames.js").Frame) => unknown, status: (status: Status) => void,
 *            connection: (connection: Connection) => void, dropped?: (frames: number) => void}} Listener
 */

/** Receives one camera's pictures over a WebSocket. Reconnects without a limit of attempts. */
export class CameraStream {
  #url;
  #detail;
  #camera;
  #ticketUrl;
  #listener;
  /** @type {AbortController | null} of the request for a ticket */
  #request = null;
  #refusal = "";
  /** @type {WebSocket | null} */
  #socket = null;
  #attempts = 0;
  #nextAt = 0;
  #timer = 0;
  #hiddenTimer = 0;
  #isStarted = false;
  #hasEnded = false;

  /**
   * @param {{path: string, detail: string, camera: string, ticket?: string}} target socket path, API
   *   path, camera id; a path that issues tickets, if each connection needs one
   * @param {Listener} listener
   */
  constructor({ path, detail, camera, ticket = "" }, listener) {
    this.#url = socketUrl(path);
    this.#detail = detail;
    this.#camera = camera;
    this.#ticketUrl = ticket;
    this.#listener = listener;
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.#resume());
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
  }

  /**
   * Request another variant of the pictures; an open connection is replaced.
   * @param {string} query such as `?width=320&fps=5`, or empty
   */
  setVariant(query) {
    const url = new URL(this.#url);
    if (url.search === query) return;
    url.search = query;
    this.#url = url.href;
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    this.#connect();
    socket.close(1000);
  }

  /** Connect, and stay connected. */
  start() {
    this.#isStarted = true;
    this.#resume();
  }

  /** Disconnect until `start`. */
  stop() {
    this.#isStarted = false;
    this.#close();
  }

  /** The message to show while the connection is down; else empty. */
  get message() {
    const isDown = !this.#hasEnded && this.#attempts > 0 && this.#socket?.readyState !== WebSocket.OPEN;
    if (!isDown) return "";
    return this.#refusal || retryMessage(this.#attempts, this.#nextAt - performance.now());
  }

  #resume() {
    if (!this.#isStarted || this.#socket || this.#request) return;
    if (this.#hasEnded || document.hidden) return;
    this.#attempts = 0;
    this.#connect();
  }

  #retryNow() {
    if (this.#timer) this.#connect();
  }

  #visibilityChanged() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) this.#hiddenTimer = setTimeout(() => this.#close(), HIDDEN_MS);
    else if (this.#timer) this.#connect();
    else this.#resume();
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#nextAt = 0;
    this.#listener.connection({ phase: "connecting", message: this.message });
    if (this.#ticketUrl) this.#requestTicket();
    else this.#open(this.#url);
  }

  #requestTicket() {
    const request = (this.#request = new AbortController());
    requestTicket(this.#ticketUrl, request.signal).then(
      (ticket) => {
        if (request !== this.#request) return;
        this.#request = null;
        this.#refusal = "";
        const url = new URL(this.#url);
        url.searchParams.set("ticket", ticket);
        this.#open(url.href);
      },
      (error) => {
        if (request !== this.#request) return;
        this.#request = null;
        this.#refusal = error instanceof TicketRefused ? error.message : "";
        if (finalReason(error.code)) this.#end(error.code);
        else this.#retry();
      },
    );
  }

  /** @param {string} url */
  #open(url) {
    const socket = new WebSocket(url, V1);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#listener.connection({ phase: "open", message: "" });
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(socket, event.data);
    };
    socket.onerror = () => {
      if (socket !== this.#socket) return; // closed by this page before it was open
      console.error(`Camera ${this.#camera}: the stream connection failed`);
    };
    socket.onclose = (event) => this.#closed(socket, event.code);
    this.#socket = socket;
  }

  /**
   * @param {WebSocket} socket
   * @param {ArrayBuffer | string} data
   */
  async #receive(socket, data) {
    try {
      if (typeof data === "string") return this.#receiveText(JSON.parse(data));
      const frame = parseFrame(data);
      this.#attempts = 0; // not on open: only received data proves a good connection
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
  #receiveText(message) {
    if (message.type === "status") {
      this.#attempts = 0;
      this.#listener.status(/** @type {any} */ (message));
    } else if (message.type === "dropped") {
      this.#listener.dropped?.(message.frames);
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    if (finalReason(code)) return this.#end(code);
    this.#retry();
    if (this.#attempts >= CHECK_REFUSAL_FROM_ATTEMPT && !this.#ticketUrl) this.#checkRefusal();
  }

  #retry() {
    this.#attempts += 1;
    const delay = retryDelay(this.#attempts);
    this.#nextAt = performance.now() + delay;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#listener.connection({ phase: "waiting", message: this.message, refused: Boolean(this.#refusal) });
  }

  async #checkRefusal() {
    const code = await refusalCode(this.#detail);
    if (code && !this.#socket) this.#end(code);
  }

  /** @param {number} code */
  #end(code) {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#listener.connection({ phase: "ended", message: finalReason(code) ?? "", code });
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#request?.abort();
    this.#request = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    if (!this.#hasEnded) this.#listener.connection({ phase: "closed", message: "" });
  }
}
