import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { TileOrder } from "../../../static/js/live/tile-order.js";
import { fakeTimers, tick } from "../timers.js";

/** The part of a list in the document that is used; records which items are taken out of it. */
class List {
  children = [];
  placed = "";
  constructor(names, dataset) {
    this.dataset = { order: [...names].join(","), save: "/wall/arrange", ...dataset };
    for (const name of names) {
      const item = { dataset: { tile: name }, hidden: false, contains: () => false };
      const beside = (step) => this.children[this.children.indexOf(item) + step] ?? null;
      Object.defineProperty(item, "nextElementSibling", { get: () => beside(1) });
      Object.defineProperty(item, "previousElementSibling", { get: () => beside(-1) });
      this.children.push(item);
    }
  }
  insertBefore(item, before) {
    this.placed += item.dataset.tile;
    this.children = this.children.filter((each) => each !== item);
    this.children.splice(before ? this.children.indexOf(before) : this.children.length, 0, item);
  }
  get names() {
    return this.children.map((item) => item.dataset.tile).join("");
  }
}

let requests = [];
let answer = async () => ({ ok: true });
const settle = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  requests = [];
  answer = async () => ({ ok: true });
  Object.assign(globalThis, {
    document: { querySelector: () => null, getElementById: () => null, activeElement: null },
    fetch: (_, { body }) => (requests.push(body.get("order")), answer()),
  });
});

const orderOf = (list, isLive = () => true) => new TileOrder(/** @type {any} */ (list), isLive);

test("the tile that is moved stays in the document", () => {
  const list = new List("abcd");
  const order = orderOf(list);
  assert.equal(order.move("d", "b", "before"), true);
  assert.deepEqual([list.names, list.placed.includes("d")], ["adbc", false]);
  assert.equal(order.move("a", "a", "after"), false);
});

test("with live cameras first, a camera moves only in its part", () => {
  const list = new List("abcd", { liveFirst: "1" });
  const order = orderOf(list, (camera) => "bd".includes(camera));
  order.show();
  assert.equal(list.names, "bdac");
  assert.equal(order.move("d", "a", "after"), false);
  assert.equal(order.move("d", "b", "before"), true);
  assert.equal(list.names, "dbac");
});

test("several moves are saved together, and one request runs at a time", async (t) => {
  fakeTimers(t, "setTimeout");
  const list = new List("abc");
  const order = orderOf(list);
  let finish = (_) => {};
  answer = () => new Promise((resolve) => (finish = resolve));
  for (const target of ["b", "c"]) {
    order.move("a", target, "after");
    order.save();
  }
  tick(400);
  assert.deepEqual(requests, ["b,c,a"]);
  order.move("c", "b", "before");
  order.save();
  tick(400);
  assert.equal(requests.length, 1);
  finish({ ok: true });
  await settle();
  tick(400);
  assert.deepEqual(requests, ["b,c,a", "c,b,a"]);
});

for (const [what, refusal] of [
  ["is refused", async () => ({ ok: false, status: 503 })],
  ["finds no server", async () => Promise.reject(new TypeError("no network"))],
  ["is sent to the sign-in", async () => ({ ok: false, type: "opaqueredirect" })],
]) {
  test(`the last saved order comes back when a request ${what}`, async (t) => {
    fakeTimers(t, "setTimeout");
    const list = new List("abc");
    const order = orderOf(list);
    order.move("a", "b", "after");
    order.save();
    tick(400);
    await settle();
    answer = refusal;
    order.move("c", "b", "before");
    order.save();
    tick(400);
    await settle();
    assert.equal(list.names, "bac");
  });
}
