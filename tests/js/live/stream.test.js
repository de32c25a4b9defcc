import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeSocket } from "../fake-socket.js";
import { fakeTimers, tick } from "../timers.js";

/** The part of a document that a stream uses. */
class Page extends EventTarget {
  hidden = false;
}

class Socket extends FakeSocket {
  /** @type {Socket[]} */
  static instances = [];
  /** @type {unknown[]} */
  sent = [];
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    this.closed = code;
    this.drop(code);
  }
  drop(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
  async deliver(data) {
    this.onmessage({ data });
    for (let turn = 0; turn < 10; turn += 1) await null; // lets the handlers run
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
let apiStatus = 200;
globalThis.fetch = async () => ({ status: apiStatus });
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
function startStream(listener = {}) {
  const connections = [];
  const stream = new CameraStream(
    { path: "/sideline/ws/stream/1", detail: "/sideline/api/v1/cameras/1", camera: "1" },
    { frame: () => {}, status: () => {}, connection: (connection) => connections.push(connection), ...listener },
  );
  stream.start();
  return { stream, connections };
}
const newest = () => /** @type {Socket} */ (Socket.instances.at(-1));

beforeEach(() => {
  Socket.instances = [];
  page.hidden = false;
  apiStatus = 200;
});

test("the socket URL keeps the subpath and uses wss under https", () => {
  startStream();
  assert.equal(newest().url, "wss://club.example/sideline/ws/stream/1");
  assert.equal(newest().protocol, "sideline.v1");
});

test("a frame is acknowledged after it was decoded", async () => {
  let decoded = () => {};
  startStream({ frame: () => new Promise((resolve) => (decoded = resolve)) });
  newest().open();
  const received = newest().deliver(message(7));
  assert.deepEqual(newest().sent, []);
  decoded();
  await received;
  assert.deepEqual(newest().sent, [{ ack: 7 }]);
});

test("a frame that cannot be decoded is acknowledged", async () => {
  startStream({ frame: () => Promise.reject(new Error("not a picture")) });
  newest().open();
  await newest().deliver(message(8));
  assert.deepEqual(newest().sent, [{ ack: 8 }]);
});

test("a hidden page drops frames and acknowledges them", async () => {
  let shown = 0;
  startStream({ frame: () => (shown += 1) });
  newest().open();
  page.hidden = true;
  await newest().deliver(message(9));
  assert.equal(shown, 0);
  assert.deepEqual(newest().sent, [{ ack: 9 }]);
});

test("after five attempts it reconnects every half minute", (t) => {
  fakeTimers(t, "setTimeout");
  const { connections } = startStream();
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 35_000, 35_000]) {
    const before = Socket.instances.length;
    newest().drop(1006);
    tick(wait);
    assert.equal(Socket.instances.length, before + 1);
  }
  assert.equal(connections.filter(({ phase }) => phase === "waiting")[1].message, "Reconnecting, try 2 of 5");
});

test("a good connection resets the attempts", (t) => {
  fakeTimers(t, "setTimeout");
  const { connections } = startStream();
  newest().drop(1006);
  tick(1000);
  newest().open();
  newest().deliver(JSON.stringify({ type: "status", state: "live", since: 1, reason: "", last_frame: 1 }));
  newest().drop(1001);
  assert.equal(connections.at(-1).message, "Reconnecting, try 1 of 5");
});

test("a revoked permission is not retried", (t) => {
  fakeTimers(t, "setTimeout");
  for (const code of [4401, 4403, 4404]) {
    const { connections } = startStream();
    const count = Socket.instances.length;
    newest().drop(code);
    tick(120_000);
    assert.equal(Socket.instances.length, count);
    assert.deepEqual([connections.at(-1).phase, connections.at(-1).code], ["ended", code]);
  }
});

test("a refused handshake is distinguished from a network failure by the API", async (t) => {
  fakeTimers(t, "setTimeout");
  apiStatus = 401;
  const { connections } = startStream();
  newest().drop(1006);
  tick(1000);
  newest().drop(1006);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(connections.at(-1).code, 4401);
});

test("leaving the page disconnects, and returning from the cache connects", () => {
  startStream();
  const first = newest();
  first.open();
  events.dispatchEvent(new Event("pagehide"));
  assert.equal(first.closed, 1000);
  const shown = Object.assign(new Event("pageshow"), { persisted: true });
  events.dispatchEvent(shown);
  assert.notEqual(newest(), first);
});

test("a stopped stream is reported as closed, not as lost", () => {
  const { stream, connections } = startStream();
  newest().open();
  stream.stop();
  assert.equal(connections.at(-1).phase, "closed");
});

test("another variant replaces the connection without a message", () => {
  const { stream, connections } = startStream();
  newest().open();
  const former = newest();
  stream.setVariant("?width=320&fps=5");
  assert.equal(newest().url, "wss://club.example/sideline/ws/stream/1?width=320&fps=5");
  assert.equal(former.closed, 1000);
  assert.deepEqual(
    connections.map(({ phase, message }) => phase + message),
    ["connecting", "open", "connecting"],
  );
  stream.setVariant("?width=320&fps=5");
  assert.equal(Socket.instances.length, 2, "the same variant keeps the connection");
});

test("frames of a replaced connection are ignored", async () => {
  let shown = 0;
  const { stream } = startStream({ frame: () => (shown += 1) });
  newest().open();
  const former = newest();
  stream.setVariant("?fps=1");
  await former.deliver(message(1));
  assert.equal(shown, 0);
});

test("a variant set before the start is used for the first connection", () => {
  const stream = new CameraStream(
    { path: "/ws/stream/1", detail: "/1", camera: "1" },
    { frame: () => {}, status: () => {}, connection: () => {} },
  );
  stream.setVariant("?width=640&fps=10");
  assert.equal(Socket.instances.length, 0);
  stream.start();
  assert.match(newest().url, /\?width=640&fps=10$/);
});

/** Start a stream whose connections need tickets. `answers`: statuses, or a failure of the network. */
function startGuest(answers, detail = "") {
  const asked = [];
  const original = globalThis.fetch;
  globalThis.fetch = async (url, { method, signal }) => {
    asked.push({ url, method, signal });
    const status = answers.length > 1 ? answers.shift() : answers[0];
    if (status === "down") throw new TypeError("network");
    const body = status === 200 ? { ticket: `t${asked.length}` } : { detail };
    return { ok: status === 200, status, json: async () => body };
  };
  const connections = [];
  const stream = new CameraStream(
    { path: "/ws/stream/shared-1", detail: "", camera: "1", ticket: "/shared/1/ticket" },
    { frame: () => {}, status: () => {}, connection: (connection) => connections.push(connection) },
  );
  stream.start();
  return { stream, connections, asked, restore: () => (globalThis.fetch = original) };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("each connection of a guest asks for a new ticket", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { asked, connections, restore } = startGuest([200]);
  t.after(restore);
  assert.equal(Socket.instances.length, 0, "not before the ticket is there");
  await settled();
  assert.equal(newest().url, "wss://club.example/ws/stream/shared-1?ticket=t1");
  newest().open();
  newest().drop(1001);
  t.mock.timers.tick(1000);
  await settled();
  assert.equal(newest().url, "wss://club.example/ws/stream/shared-1?ticket=t2");
  assert.deepEqual([asked[1].url, asked[1].method], ["/shared/1/ticket", "POST"]);
  assert.deepEqual(
    connections.map(({ phase }) => phase),
    ["connecting", "open", "waiting", "connecting"],
  );
});

test("a guest's page tries again while the server is away, and says why it has no place", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { stream, connections, restore } = startGuest(["down", 503, 429, 200], "Close a window.");
  t.after(restore);
  for (const [message, wait] of [
    ["Reconnecting, try 1 of 5", 1000],
    ["Reconnecting, try 2 of 5", 2000],
    ["Close a window.", 4000],
  ]) {
    await settled();
    assert.deepEqual([connections.at(-1).phase, connections.at(-1).message], ["waiting", message]);
    assert.equal(Socket.instances.length, 0);
    t.mock.timers.tick(/** @type {number} */ (wait));
  }
  await settled();
  newest().open();
  assert.equal(stream.message, "");
});

test("a link that has ended is not tried again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const [status, code] of [
    [410, 4401],
    [401, 4401],
    [403, 4403],
  ]) {
    const { connections, asked, restore } = startGuest([status]);
    await settled();
    t.mock.timers.tick(120_000);
    await settled();
    restore();
    assert.equal(asked.length, 1);
    assert.deepEqual([connections.at(-1).phase, connections.at(-1).code], ["ended", code]);
  }
});

test("a ticket that arrives after the page was left opens nothing", async (t) => {
  const { stream, asked, restore } = startGuest([200]);
  t.after(restore);
  stream.stop();
  await settled();
  assert.equal(asked[0].signal.aborted, true);
  assert.equal(Socket.instances.length, 0);
  stream.start();
  await settled();
  assert.match(newest().url, /ticket=t2$/);
});
