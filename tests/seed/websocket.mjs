// The browser's WebSocket for Node 20, which has none: RFC 6455 over a plain TCP socket.
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

export class WebSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;

  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  readyState = WebSocket.CONNECTING;

  #buffer = Buffer.alloc(0);
  #parts = []; // of a fragmented message
  #kind = TEXT; // of that message
  #code = 1006; // what onclose reports until the peer says otherwise
  #reason = "";

  constructor(url) {
    super();
    this.url = new URL(url).href;
    const { hostname, port, pathname, search, protocol } = new URL(url);
    if (protocol !== "ws:") throw new SyntaxError(`not a ws: address: ${url}`);
    const key = randomBytes(16).toString("base64");
    this.accept = createHash("sha1").update(key + GUID).digest("base64");
    this.socket = connect(Number(port || 80), hostname, () =>
      this.socket.write(
        `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port || 80}\r\n` +
          "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
          `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      ),
    );
    this.socket.on("data", (data) => this.#take(data));
    this.socket.on("error", (error) => this.#fail(error.message));
    this.socket.on("close", () => this.#closed());
  }

  send(data) {
    const binary = typeof data !== "string";
    this.#write(binary ? BINARY : TEXT, Buffer.from(data));
  }

  close(code = 1000) {
    if (this.readyState >= WebSocket.CLOSING) return;
    if (this.readyState === WebSocket.CONNECTING) return this.#fail("closed before it was open");
    this.readyState = WebSocket.CLOSING;
    this.#write(CLOSE, Buffer.from([code >> 8, code & 255]));
  }

  #emit(type, more = {}) {
    const event = Object.assign(new Event(type), more);
    this[`on${type}`]?.(event);
    this.dispatchEvent(event);
  }

  #fail(message) {
    if (this.readyState === WebSocket.CLOSED) return;
    if (this.#code === 1006) this.#emit("error", { message }); // after a goodbye it is no news
    this.socket.destroy();
  }

  #closed() {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    const wasClean = this.#code !== 1006;
    this.#emit("close", { code: this.#code, reason: this.#reason, wasClean });
  }

  #take(data) {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    if (this.readyState === WebSocket.CONNECTING && !this.#handshake()) return;
    for (let frame = this.#frame(); frame !== null; frame = this.#frame()) this.#handle(frame);
  }

  #handshake() {
    const end = this.#buffer.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const [status, ...lines] = this.#buffer.toString("latin1", 0, end).split("\r\n");
    this.#buffer = this.#buffer.subarray(end + 4);
    const headers = new Headers(lines.map((line) => line.split(/:\s*(.*)/s).slice(0, 2)));
    if (!/^HTTP\/1\.1 101 /.test(status)) this.#fail(status);
    else if (headers.get("sec-websocket-accept") !== this.accept) this.#fail("a wrong accept key");
    else {
      this.readyState = WebSocket.OPEN;
      this.#emit("open");
      return true;
    }
    return false;
  }

  // The next whole frame in the buffer, or null. A 64-bit length is read as such.
  #frame() {
    const buffer = this.#buffer;
    if (buffer.length < 2) return null;
    let length = buffer[1] & 127;
    let at = 2;
    if (length === 126) {
      if (buffer.length < 4) return null;
      length = buffer.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (buffer.length < 10) return null;
      length = Number(buffer.readBigUInt64BE(2));
      at = 10;
    }
    if (buffer.length < at + length) return null;
    this.#buffer = buffer.subarray(at + length);
    return { final: !!(buffer[0] & 128), opcode: buffer[0] & 15, body: buffer.subarray(at, at + length) };
  }

  #handle({ final, opcode, body }) {
    if (opcode === PING) return this.#write(PONG, body);
    if (opcode === PONG) return;
    if (opcode === CLOSE) return this.#leave(body);
    if (opcode !== CONTINUATION) this.#kind = opcode;
    this.#parts.push(body);
    if (!final) return;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    const data = this.#kind === TEXT ? whole.toString("utf8") : whole.buffer.slice(
      whole.byteOffset, whole.byteOffset + whole.length,
    );
    if (this.readyState === WebSocket.OPEN) this.#emit("message", { data });
  }

  #leave(body) {
    this.#code = body.length < 2 ? 1005 : body.readUInt16BE(0);
    this.#reason = body.toString("utf8", 2);
    if (this.readyState === WebSocket.OPEN) this.#write(CLOSE, body.subarray(0, 2));
    this.readyState = WebSocket.CLOSING;
    this.socket.end();
  }

  // What a client sends is masked.
  #write(opcode, body) {
    const head = [128 | opcode];
    if (body.length < 126) head.push(128 | body.length);
    else if (body.length < 65536) head.push(128 | 126, body.length >> 8, body.length & 255);
    else {
      const long = Buffer.alloc(8);
      long.writeBigUInt64BE(BigInt(body.length));
      head.push(128 | 127, ...long);
    }
    const mask = randomBytes(4);
    const masked = body.map((byte, index) => byte ^ mask[index % 4]);
    this.socket.write(Buffer.concat([Buffer.from(head), mask, masked]));
  }
}
