import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeSocket } from "../fake-socket.js";
import { fakeTimers, tick } from "../timers.js";

class Socket extends FakeSocket {
  /** @type {Socket[]} */
  static instances = [];
  /** @type {Blob[]} */
  sent = [];
  send(message) {
    this.sent.push(message);
  }
  close(code) {
    this.closed = code;
    this.readyState = 3;
  }
  drop(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
  deliver(answer) {
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

const newest = () => /** @type {Socket} */ (Socket.instances.at(-1));
const picture = new Blob([new Uint8Array([0xff, 0xd8, 0xff])]);

function startUplink() {
  const answers = [];
  const ended = [];
  const uplink = new Uplink(
    { path: "/sideline/ws/publish/1", detail: "/sideline/api/v1/cameras/1" },
    { answer: (answer) => answers.push(answer), ended: (sentence) => ended.push(sentence) },
  );
  uplink.start();
  return { uplink, answers, ended };
}

/** @param {Blob} message */
async function headerOf(message) {
  const bytes = new Uint8Array(await message.arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0);
  assert.deepEqual(bytes.slice(4 + length), new Uint8Array([0xff, 0xd8, 0xff]));
  return JSON.parse(new TextDecoder().decode(bytes.slice(4, 4 + length)));
}

beforeEach(() => {
  Socket.instances = [];
  status = 200;
});

test("a picture is sent as sideline.v1 to the socket under the subpath", async () => {
  const { uplink } = startUplink();
  newest().open();
  uplink.send(1234, picture);
  assert.equal(newest().url, "wss://club.example/sideline/ws/publish/1");
  assert.equal(newest().protocol, "sideline.v1");
  assert.deepEqual(await headerOf(newest().sent[0]), { timestamp: 1234, seq: 1 });
  uplink.stop();
  assert.equal(newest().closed, 1000);
});

test("at most two pictures are unacknowledged", () => {
  const { uplink, answers } = startUplink();
  assert.equal(uplink.isReady, false);
  newest().open();
  for (let at = 1; at <= 4; at += 1) uplink.send(at, picture);
  assert.equal(newest().sent.length, 2);
  newest().deliver({ ack: 1 });
  assert.equal(uplink.isReady, true);
  uplink.send(5, picture);
  assert.equal(uplink.isReady, false);
  newest().deliver({ ack: 3, dropped: 1 }); // also acknowledges all before
  uplink.send(6, picture);
  uplink.send(7, picture);
  assert.equal(newest().sent.length, 5);
  assert.deepEqual(answers, [{ ack: 1 }, { ack: 3, dropped: 1 }]);
  uplink.stop();
});

test("a problem acknowledges frames, with or without `ack`", () => {
  const { uplink } = startUplink();
  newest().open();
  uplink.send(1, picture);
  uplink.send(2, picture);
  newest().deliver({ type: "problem", status: 503, detail: "Not now.", ack: 1 });
  assert.equal(uplink.isReady, true);
  uplink.send(3, picture);
  newest().deliver({ type: "problem", status: 400, detail: "What?" });
  assert.equal(uplink.isReady, true);
  uplink.stop();
});

test("a lost connection is reopened, with a message and without the unacknowledged frames", (t) => {
  fakeTimers(t, "setTimeout");
  const { uplink } = startUplink();
  newest().open();
  uplink.send(1, picture);
  uplink.send(2, picture);
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 35_000, 35_000]) {
    const before = Socket.instances.length;
    newest().drop(1006);
    assert.notEqual(uplink.message, "");
    assert.equal(uplink.isReady, false);
    tick(wait);
    assert.equal(Socket.instances.length, before + 1);
  }
  newest().open();
  assert.equal(uplink.message, "");
  assert.equal(uplink.isReady, true);
  newest().deliver({ ack: 2 });
  newest().drop(1001);
  assert.equal(uplink.message, "Reconnecting, try 1 of 5");
  uplink.stop();
});

test("without an answer the connection counts as lost", (t) => {
  fakeTimers(t, "setTimeout");
  const { uplink } = startUplink();
  newest().open();
  tick(60_000); // nothing was sent, so no answer is due
  uplink.send(1, picture);
  tick(9000);
  newest().deliver({ ack: 1 });
  tick(60_000);
  assert.equal(uplink.message, "");
  uplink.send(2, picture);
  tick(10_000);
  assert.equal(uplink.message, "Reconnecting, try 1 of 5");
  uplink.stop();
});

test("final close codes are not retried and give a sentence", (t) => {
  fakeTimers(t, "setTimeout");
  for (const code of [1009, 4401, 4403, 4404, 4429]) {
    const { ended } = startUplink();
    const count = Socket.instances.length;
    newest().drop(code);
    tick(120_000);
    assert.equal(Socket.instances.length, count);
    assert.match(ended[0], /\.$/);
  }
  const { ended } = startUplink();
  newest().drop(4403, "This camera is not of kind push.");
  assert.deepEqual(ended, ["This camera is not of kind push."]);
});

test("a refused handshake is distinguished from a network failure by the API", async (t) => {
  fakeTimers(t, "setTimeout");
  status = 401;
  const { ended } = startUplink();
  newest().drop(1006);
  tick(1000);
  newest().drop(1006);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ended, ["You are signed out. Sign in to publish."]);
});

test("it reconnects at once when the network is back", (t) => {
  fakeTimers(t, "setTimeout");
  const { uplink } = startUplink();
  newest().drop(1006);
  events.dispatchEvent(new Event("online"));
  assert.equal(Socket.instances.length, 2);
  uplink.stop();
  events.dispatchEvent(new Event("online"));
  assert.equal(Socket.instances.length, 2);
});

test("after a stop the old connection is ignored", () => {
  const { uplink, answers, ended } = startUplink();
  newest().open();
  const old = newest();
  uplink.stop();
  old.deliver({ ack: 1 });
  old.drop(4403);
  assert.deepEqual([answers, ended], [[], []]);
  uplink.start();
  assert.equal(Socket.instances.length, 2);
});
