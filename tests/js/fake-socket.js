/** A WebSocket that the test opens and loses. What is sent and said, each test's own one knows. */
export class FakeSocket {
  static OPEN = 1;
  /** @type {any[]} */
  static made = [];
  readyState = 0;
  /** @type {any[]} */
  sent = [];
  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    /** @type {typeof FakeSocket} */ (this.constructor).made.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
}
