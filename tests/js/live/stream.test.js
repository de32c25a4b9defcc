import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeSocket } from "../fake-socket.js";

/** A browser with nothing in it but what a stream touches. */
class Page extends EventTarget {
  hidden = false;
}

class Socket extends FakeSocket {
  /** @type {Socket[]} */
  static made = [];
  /** @type {unknown[]} */
  sent = [];
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    this.closed = code;
    this.lose(code);
  }
  lose(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
  async say(data) {
    this.onmessage({ data });
    for (let turn = 0; turn < 10; turn += 1) await null; // what is done with it, as far as it goes
  }
}

const page = new Page();
const events = new EventTarget();
Object.assign(globalThis, {
  WebSocket: Socket,
  document: page,
  location: new URL("https://club.example/sideline/cameras/1"),
  addEventListener: events.addEventListener.bind(events),
});
let answer = 200;
globalThis.fetch = async () => ({ status: answer });
console.error = () => {};
const { CameraStream } = await import("../../../static/js/live/stream.js");

function message(seq) {
  const header = { timestamp: 1, seq, width: 2, height: 2, age_ms: 0, camera_id: "1" };
  const head = new TextEncoder().encode(JSON.stringify(header));
  const whole = new Uint8Array(5 + head.length);
  new DataView(whole.buffer).setUint32(0, head.length);
  whole.set(head, 4);
  return whole.buffer;
}

/** @param {Partial<import("../../../static/js/live/stream.js").Listener>} [listener] */
function streaming(listener = {}) {
  const links = [];
  const stream = new CameraStream(
    { path: "/sideline/ws/stream/1", detail: "/sideline/api/v1/cameras/1", camera: "1" },
    { frame: () => {}, status: () => {}, link: (link) => links.push(link), ...listener },
  );
  stream.start();
  return { stream, links };
}
const newest = () => /** @type {Socket} */ (Socket.made.at(-1));

beforeEach(() => {
  Socket.made = [];
  page.hidden = false;
  answer = 200;
});

test("the socket's address keeps the subpath and follows https", () => {
  streaming();
  assert.equal(newest().url, "wss://club.example/sideline/ws/stream/1");
  assert.equal(newest().protocol, "sideline.v1");
});

test("a frame is acknowledged only after it was decoded", async () => {
  let decoded = () => {};
  streaming({ frame: () => new Promise((resolve) => (decoded = resolve)) });
  newest().open();
  const received = newest().say(message(7));
  assert.deepEqual(newest().sent, []);
  decoded();
  await received;
  assert.deepEqual(newest().sent, [{ ack: 7 }]);
});

test("a frame that cannot be decoded gives its credit back", async () => {
  streaming({ frame: () => Promise.reject(new Error("not a picture")) });
  newest().open();
  await newest().say(message(8));
  assert.deepEqual(newest().sent, [{ ack: 8 }]);
});

test("a hidden page drops frames and acknowledges them", async () => {
  let seen = 0;
  streaming({ frame: () => (seen += 1) });
  newest().open();
  page.hidden = true;
  await newest().say(message(9));
  assert.equal(seen, 0);
  assert.deepEqual(newest().sent, [{ ack: 9 }]);
});

test("after five quick tries it goes on every half minute", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { links } = streaming();
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 35_000, 35_000]) {
    const before = Socket.made.length;
    newest().lose(1006);
    t.mock.timers.tick(wait);
    assert.equal(Socket.made.length, before + 1);
  }
  assert.equal(links.filter(({ phase }) => phase === "waiting")[1].words, "Reconnecting, try 2 of 5");
});

test("a good connection begins the count anew", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { links } = streaming();
  newest().lose(1006);
  t.mock.timers.tick(1000);
  newest().open();
  newest().say(JSON.stringify({ type: "status", state: "live", since: 1, reason: "", last_frame: 1 }));
  newest().lose(1001);
  assert.equal(links.at(-1).words, "Reconnecting, try 1 of 5");
});

test("a withdrawn right is not retried", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const code of [4401, 4403, 4404]) {
    const { links } = streaming();
    const made = Socket.made.length;
    newest().lose(code);
    t.mock.timers.tick(120_000);
    assert.equal(Socket.made.length, made);
    assert.deepEqual([links.at(-1).phase, links.at(-1).code], ["over", code]);
  }
});

test("a refused handshake is told from a dead network by asking the API", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  answer = 401;
  const { links } = streaming();
  newest().lose(1006);
  t.mock.timers.tick(1000);
  newest().lose(1006);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(links.at(-1).code, 4401);
});

test("leaving the page closes, and coming back out of the cache connects", () => {
  streaming();
  const first = newest();
  first.open();
  events.dispatchEvent(new Event("pagehide"));
  assert.equal(first.closed, 1000);
  const shown = Object.assign(new Event("pageshow"), { persisted: true });
  events.dispatchEvent(shown);
  assert.notEqual(newest(), first);
});

test("a stream that nobody watches is told from one that was lost", () => {
  const { stream, links } = streaming();
  newest().open();
  stream.stop();
  assert.equal(links.at(-1).phase, "closed");
});

test("another variant replaces the connection, without a word to the person", () => {
  const { stream, links } = streaming();
  newest().open();
  const former = newest();
  stream.ask("?width=320&fps=5");
  assert.equal(newest().url, "wss://club.example/sideline/ws/stream/1?width=320&fps=5");
  assert.equal(former.closed, 1000);
  assert.deepEqual(
    links.map(({ phase, words }) => phase + words),
    ["connecting", "open", "connecting"],
  );
  stream.ask("?width=320&fps=5");
  assert.equal(Socket.made.length, 2, "the same one is no other");
});

test("pictures of the former connection are not shown after it was replaced", async () => {
  let seen = 0;
  const { stream } = streaming({ frame: () => (seen += 1) });
  newest().open();
  const former = newest();
  stream.ask("?fps=1");
  await former.say(message(1));
  assert.equal(seen, 0);
});

test("a variant asked for before the start is the first one", () => {
  const stream = new CameraStream(
    { path: "/ws/stream/1", detail: "/1", camera: "1" },
    { frame: () => {}, status: () => {}, link: () => {} },
  );
  stream.ask("?width=640&fps=10");
  assert.equal(Socket.made.length, 0);
  stream.start();
  assert.match(newest().url, /\?width=640&fps=10$/);
});
