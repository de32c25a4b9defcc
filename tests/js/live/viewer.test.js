import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fakeTimers, tick } from "../timers.js";

/** The part of a DOM element that a tile uses; records all values of `textContent`. */
class Node extends EventTarget {
  dataset = {};
  children = [];
  texts = [];
  set textContent(text) {
    this.texts.push(text);
  }
  get textContent() {
    return this.texts.at(-1) ?? "";
  }
  get firstElementChild() {
    return this.children[0];
  }
  setAttribute(name, value) {
    this[name] = value;
  }
  append(child) {
    this.children.push(child);
  }
  remove() {}
}

class Socket {
  static OPEN = 1;
  readyState = 0;
  constructor() {
    Socket.newest = this;
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  send() {}
  close(code) {
    this.drop(code);
  }
  drop(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
  async deliverPicture() {
    const header = { timestamp: NOON, seq: 1, width: 2, height: 2, age_ms: 100, camera_id: "1" };
    const head = new TextEncoder().encode(JSON.stringify(header));
    const whole = new Uint8Array(5 + head.length);
    new DataView(whole.buffer).setUint32(0, head.length);
    whole.set(head, 4);
    await this.onmessage({ data: whole.buffer });
  }
}

const NOON = Date.UTC(2026, 5, 1, 12, 0, 0);
const page = Object.assign(new EventTarget(), {
  hidden: false,
  createElement: () => new Node(),
  querySelector: () => null,
  getElementById: (id) => ({ spoken, toasts })[id],
});
let spoken = new Node();
let toasts = new Node();
let clock = 0;
Object.defineProperty(globalThis, "performance", { value: { now: () => clock } });
Object.assign(globalThis, {
  WebSocket: Socket,
  document: page,
  location: new URL("https://club.example/"),
  addEventListener: () => {},
  fetch: async () => ({ status: 200 }),
  createImageBitmap: async () => ({ close: () => {} }),
  requestAnimationFrame: () => 1,
  ResizeObserver: class {
    observe() {}
  },
  matchMedia: () => new EventTarget(),
});
const { CameraViewer } = await import("../../../static/js/live/viewer.js");

/** A tile whose camera was live when the page was rendered. */
function createTile() {
  const parts = { canvas: Object.assign(new Node(), { getContext: () => null }) };
  for (const name of ["[data-mark]", "[data-badge-text]", "[data-count]", "[data-note]"]) parts[name] = new Node();
  const element = Object.assign(new Node(), { querySelector: (selector) => parts[selector] ?? element });
  element.dataset = { camera: "1", name: "Plaza", stream: "/ws/stream/1", detail: "/1", zone: "UTC", state: "live" };
  return { viewer: new CameraViewer(/** @type {any} */ (element)), badge: () => parts["[data-badge-text]"].textContent };
}

function setHidden(hidden) {
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  page.hidden = false;
  spoken = new Node();
  toasts = new Node();
  clock = 0;
});

/** Advance the clock and the timers. */
function advance(t, ms) {
  clock += ms;
  tick(ms);
}

async function startLiveTile(t) {
  fakeTimers(t, "setInterval", "setTimeout");
  const tile = createTile();
  tile.viewer.start();
  Socket.newest.open();
  await Socket.newest.deliverPicture();
  assert.equal(tile.badge(), "Live 0.1 s");
  spoken.texts = [];
  return tile;
}

test("a stopped tile announces nothing and is connecting after its return", async (t) => {
  const { viewer, badge } = await startLiveTile(t);
  viewer.stop();
  assert.equal(badge(), "Connecting, last picture 12:00:00");
  advance(t, 60_000);
  assert.equal(badge(), "Connecting, last picture 12:00:00");
  viewer.start();
  advance(t, 500);
  assert.equal(badge(), "Connecting, last picture 12:00:00");
  Socket.newest.open();
  await Socket.newest.deliverPicture();
  assert.equal(badge(), "Live 0.1 s");
  assert.deepEqual(spoken.texts, []);
});

for (const [how, ms] of [["keeps its connection", 5000], ["has closed its connection", 60_000]]) {
  test(`a page that was hidden and ${how} does not become stale`, async (t) => {
    const { badge } = await startLiveTile(t);
    setHidden(true);
    advance(t, Number(ms));
    setHidden(false);
    advance(t, 200);
    assert.equal(badge(), "Connecting, last picture 12:00:00");
    await Socket.newest.deliverPicture();
    assert.equal(badge(), "Live 0.1 s");
    assert.deepEqual(spoken.texts, []);
  });
}

test("a picture that freezes is announced as stale once", async (t) => {
  const { badge } = await startLiveTile(t);
  for (let tick = 0; tick < 50; tick += 1) advance(t, 100);
  assert.match(badge(), /^Stale/);
  assert.deepEqual(spoken.texts, ["Plaza: Stale, 1.4 s old"]);
});

test("each outage of a camera without pictures shows a toast", (t) => {
  fakeTimers(t, "setInterval", "setTimeout");
  createTile().viewer.start();
  for (let outage = 1; outage <= 2; outage += 1) {
    Socket.newest.open();
    Socket.newest.drop(1006);
    advance(t, 40_000);
    Socket.newest.drop(1006);
    assert.equal(toasts.children.length, outage);
    advance(t, 40_000);
    toasts.children[outage - 1].dataset.about = "gone";
  }
});

test("preventing the default of 'ended' suppresses toast and announcement", async (t) => {
  const { viewer } = await startLiveTile(t);
  /** @type {number[]} */
  const codes = [];
  viewer.addEventListener("ended", (event) => {
    event.preventDefault();
    codes.push(/** @type {CustomEvent} */ (event).detail.code);
    viewer.stop();
  });
  Socket.newest.drop(4401);
  assert.deepEqual(codes, [4401]);
  assert.deepEqual(toasts.children, []);
  assert.deepEqual(spoken.texts, []);
});

test("a stream that ends with 4401 shows that the user is signed out", async (t) => {
  await startLiveTile(t);
  Socket.newest.drop(4401);
  assert.equal(toasts.children.length, 1);
});
