import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeSocket } from "../fake-socket.js";

class Socket extends FakeSocket {
  /** @type {Socket[]} */
  static made = [];
  /** @type {Blob[]} */
  sent = [];
  send(message) {
    this.sent.push(message);
  }
  close(code) {
    this.closed = code;
    this.readyState = 3;
  }
  lose(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
  say(answer) {
    this.onmessage({ data: JSON.stringify(answer) });
  }
}

const events = new EventTarget();
Object.assign(globalThis, {
  WebSocket: Socket,
  location: new URL("https://club.example/sideline/cameras/1"),
  addEventListener: events.addEventListener.bind(events),
});
let status = 200;
globalThis.fetch = async () => ({ status });
const { Uplink } = await import("../../../static/js/publish/uplink.js");

const newest = () => /** @type {Socket} */ (Socket.made.at(-1));
const picture = new Blob([new Uint8Array([0xff, 0xd8, 0xff])]);

function sending() {
  const answers = [];
  const over = [];
  const uplink = new Uplink(
    { path: "/sideline/ws/publish/1", detail: "/sideline/api/v1/cameras/1" },
    { answer: (answer) => answers.push(answer), over: (sentence) => over.push(sentence) },
  );
  uplink.start();
  return { uplink, answers, over };
}

/** @param {Blob} message */
async function headerOf(message) {
  const bytes = new Uint8Array(await message.arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0);
  assert.deepEqual(bytes.slice(4 + length), new Uint8Array([0xff, 0xd8, 0xff]));
  return JSON.parse(new TextDecoder().decode(bytes.slice(4, 4 + length)));
}

beforeEach(() => {
  Socket.made = [];
  status = 200;
});

test("a picture goes out as sideline.v1, to the socket under the subpath", async () => {
  const { uplink } = sending();
  newest().open();
  uplink.send(1234, picture);
  assert.equal(newest().url, "wss://club.example/sideline/ws/publish/1");
  assert.equal(newest().protocol, "sideline.v1");
  assert.deepEqual(await headerOf(newest().sent[0]), { timestamp: 1234, seq: 1 });
  uplink.stop();
  assert.equal(newest().closed, 1000);
});

test("no more than two pictures are on their way", () => {
  const { uplink, answers } = sending();
  assert.equal(uplink.ready, false);
  newest().open();
  for (let at = 1; at <= 4; at += 1) uplink.send(at, picture);
  assert.equal(newest().sent.length, 2);
  newest().say({ ack: 1 });
  assert.equal(uplink.ready, true);
  uplink.send(5, picture);
  assert.equal(uplink.ready, false);
  newest().say({ ack: 3, dropped: 1 }); // acknowledges all before, too
  uplink.send(6, picture);
  uplink.send(7, picture);
  assert.equal(newest().sent.length, 5);
  assert.deepEqual(answers, [{ ack: 1 }, { ack: 3, dropped: 1 }]);
  uplink.stop();
});

test("a problem gives credit back, named or not", () => {
  const { uplink } = sending();
  newest().open();
  uplink.send(1, picture);
  uplink.send(2, picture);
  newest().say({ type: "problem", status: 503, detail: "Not now.", ack: 1 });
  assert.equal(uplink.ready, true);
  uplink.send(3, picture);
  newest().say({ type: "problem", status: 400, detail: "What?" });
  assert.equal(uplink.ready, true);
  uplink.stop();
});

test("a lost connection comes back, says so, and has forgotten what was on its way", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { uplink } = sending();
  newest().open();
  uplink.send(1, picture);
  uplink.send(2, picture);
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 35_000, 35_000]) {
    const before = Socket.made.length;
    newest().lose(1006);
    assert.notEqual(uplink.words, "");
    assert.equal(uplink.ready, false);
    t.mock.timers.tick(wait);
    assert.equal(Socket.made.length, before + 1);
  }
  newest().open();
  assert.equal(uplink.words, "");
  assert.equal(uplink.ready, true);
  newest().say({ ack: 2 });
  newest().lose(1001);
  assert.equal(uplink.words, "Reconnecting, try 1 of 5");
  uplink.stop();
});

test("a server that does not answer is taken for lost", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { uplink } = sending();
  newest().open();
  t.mock.timers.tick(60_000); // nothing was sent: nothing is due
  uplink.send(1, picture);
  t.mock.timers.tick(9000);
  newest().say({ ack: 1 });
  t.mock.timers.tick(60_000);
  assert.equal(uplink.words, "");
  uplink.send(2, picture);
  t.mock.timers.tick(10_000);
  assert.equal(uplink.words, "Reconnecting, try 1 of 5");
  uplink.stop();
});

test("what would be answered the same is not retried, and said", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const code of [1009, 4401, 4403, 4404, 4429]) {
    const { over } = sending();
    const made = Socket.made.length;
    newest().lose(code);
    t.mock.timers.tick(120_000);
    assert.equal(Socket.made.length, made);
    assert.match(over[0], /\.$/);
  }
  const { over } = sending();
  newest().lose(4403, "This camera is not of kind push.");
  assert.deepEqual(over, ["This camera is not of kind push."]);
});

test("a refused handshake is told from a dead network by asking the API", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  status = 401;
  const { over } = sending();
  newest().lose(1006);
  t.mock.timers.tick(1000);
  newest().lose(1006);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(over, ["You are signed out. Sign in to publish."]);
});

test("a network that is back is tried at once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { uplink } = sending();
  newest().lose(1006);
  events.dispatchEvent(new Event("online"));
  assert.equal(Socket.made.length, 2);
  uplink.stop();
  events.dispatchEvent(new Event("online"));
  assert.equal(Socket.made.length, 2);
});

test("after a stop nothing is said, whatever the old connection does", () => {
  const { uplink, answers, over } = sending();
  newest().open();
  const old = newest();
  uplink.stop();
  old.say({ ack: 1 });
  old.lose(4403);
  assert.deepEqual([answers, over], [[], []]);
  uplink.start();
  assert.equal(Socket.made.length, 2);
});
