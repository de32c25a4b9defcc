import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** As much of a browser as one tile touches; the live region and the toasts keep what is said. */
class Node extends EventTarget {
  dataset = {};
  children = [];
  said = [];
  set textContent(text) {
    this.said.push(text);
  }
  get textContent() {
    return this.said.at(-1) ?? "";
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
    this.lose(code);
  }
  lose(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
  async picture() {
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

/** A tile whose camera was live when the page was made. */
function tile() {
  const parts = { canvas: Object.assign(new Node(), { getContext: () => null }) };
  for (const name of ["[data-mark]", "[data-badge-text]", "[data-count]", "[data-note]"]) parts[name] = new Node();
  const element = Object.assign(new Node(), { querySelector: (selector) => parts[selector] ?? element });
  element.dataset = { camera: "1", name: "Plaza", stream: "/ws/stream/1", detail: "/1", zone: "UTC", state: "live" };
  return { viewer: new CameraViewer(/** @type {any} */ (element)), words: () => parts["[data-badge-text]"].textContent };
}

function hide(hidden) {
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  page.hidden = false;
  spoken = new Node();
  toasts = new Node();
  clock = 0;
});

/** Time goes by, and the viewers' ticks with it. */
function pass(t, ms) {
  clock += ms;
  t.mock.timers.tick(ms);
}

async function live(t) {
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  const one = tile();
  one.viewer.start();
  Socket.newest.open();
  await Socket.newest.picture();
  assert.equal(one.words(), "Live 0.1 s");
  spoken.said = [];
  return one;
}

test("a tile that was scrolled away says nothing, and is connecting on its return", async (t) => {
  const { viewer, words } = await live(t);
  viewer.stop();
  assert.equal(words(), "Connecting, last picture 12:00:00");
  pass(t, 60_000);
  assert.equal(words(), "Connecting, last picture 12:00:00");
  viewer.start();
  pass(t, 500);
  assert.equal(words(), "Connecting, last picture 12:00:00");
  Socket.newest.open();
  await Socket.newest.picture();
  assert.equal(words(), "Live 0.1 s");
  assert.deepEqual(spoken.said, []);
});

for (const [how, ms] of [["keeps its connection", 5000], ["gives its connection up", 60_000]]) {
  test(`a hidden page that ${how} does not say Stale`, async (t) => {
    const { words } = await live(t);
    hide(true);
    pass(t, Number(ms));
    hide(false);
    pass(t, 200);
    assert.equal(words(), "Connecting, last picture 12:00:00");
    await Socket.newest.picture();
    assert.equal(words(), "Live 0.1 s");
    assert.deepEqual(spoken.said, []);
  });
}

test("a picture that freezes before one's eyes is said to be stale, once", async (t) => {
  const { words } = await live(t);
  for (let tick = 0; tick < 50; tick += 1) pass(t, 100);
  assert.match(words(), /^Stale/);
  assert.deepEqual(spoken.said, ["Plaza: Stale, last picture 12:00:00"]);
});

test("a camera without pictures says each of its outages", (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  tile().viewer.start();
  for (let outage = 1; outage <= 2; outage += 1) {
    Socket.newest.open();
    Socket.newest.lose(1006);
    pass(t, 40_000);
    Socket.newest.lose(1006);
    assert.equal(toasts.children.length, outage);
    pass(t, 40_000);
    toasts.children[outage - 1].dataset.about = "gone";
  }
});

test("a page that says itself that a stream has ended keeps the usual words away", async (t) => {
  const { viewer } = await live(t);
  /** @type {number[]} */
  const codes = [];
  viewer.addEventListener("over", (event) => {
    event.preventDefault();
    codes.push(/** @type {CustomEvent} */ (event).detail.code);
    viewer.stop();
  });
  Socket.newest.lose(4401);
  assert.deepEqual(codes, [4401]);
  assert.deepEqual(toasts.children, []);
  assert.deepEqual(spoken.said, []);
});

test("a stream that ends elsewhere says that one is signed out", async (t) => {
  await live(t);
  Socket.newest.lose(4401);
  assert.equal(toasts.children.length, 1);
});
