/** A WebSocket that a test opens and closes. Subclasses record what is sent and deliver messages. */
export class FakeSocket {
  static OPEN = 1;
  /** @type {any[]} */
  static instances = [];
  readyState = 0;
  /** @type {any[]} */
  sent = [];
  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    /** @type {typeof FakeSocket} */ (this.constructor).instances.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
}
