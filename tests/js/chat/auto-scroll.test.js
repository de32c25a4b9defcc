import assert from "node:assert/strict";
import { test } from "node:test";

import { AutoScroll } from "../../../static/js/chat/auto-scroll.js";

/** A scrollable element that counts reads and writes of its layout. */
class Scroller extends EventTarget {
  ownerDocument = { scrollingElement: null };
  clientHeight = 500;
  height = 500;
  top = 0;
  reads = 0;
  writes = 0;
  get scrollHeight() {
    this.reads += 1;
    return this.height;
  }
  get scrollTop() {
    return this.top;
  }
  set scrollTop(top) {
    this.writes += 1;
    this.top = Math.max(0, Math.min(top, this.height - this.clientHeight));
  }
  grow(px) {
    this.height += px;
  }
  /** As by a reader: the event fires after the position has changed. */
  scrollBy(px) {
    this.top = Math.max(0, Math.min(this.top + px, this.height - this.clientHeight));
    this.dispatchEvent(new Event("scroll"));
  }
  wheel(deltaY) {
    this.dispatchEvent(Object.assign(new Event("wheel"), { deltaY, ctrlKey: false }));
  }
  get left() {
    return this.height - this.clientHeight - this.top;
  }
}

function create() {
  const scroller = new Scroller();
  const autoScroll = new AutoScroll(/** @type {any} */ (scroller));
  const changes = [];
  autoScroll.addEventListener("following", () => changes.push(autoScroll.isFollowing));
  const grow = (px) => {
    scroller.grow(px);
    autoScroll.contentGrew();
  };
  return { scroller, autoScroll, changes, grow };
}

test("a reader at the end stays at the end", () => {
  const { scroller, autoScroll, grow } = create();
  for (let flush = 0; flush < 10; flush += 1) {
    grow(300);
    assert.equal(scroller.left, 0);
  }
  assert.equal(autoScroll.isFollowing, true);
});

test("after scrolling up the page stays, and the change is dispatched", () => {
  const { scroller, autoScroll, changes, grow } = create();
  grow(2000);
  scroller.scrollBy(-600);
  const { top } = scroller;
  for (let flush = 0; flush < 10; flush += 1) grow(300);
  assert.deepEqual([scroller.top, autoScroll.isFollowing, changes], [top, false, [false]]);
});

test("scrolling up a few pixels is enough to stop following", () => {
  const { scroller, grow } = create();
  grow(2000);
  scroller.scrollBy(-12);
  const { top } = scroller;
  grow(300);
  assert.equal(scroller.top, top);
});

test("a wheel event stops following before the page has scrolled", () => {
  const { scroller, grow } = create();
  grow(2000);
  scroller.wheel(-100);
  const { top } = scroller;
  grow(300);
  assert.equal(scroller.top, top);
});

test("a wheel event on a page too short to scroll changes nothing", () => {
  const { scroller, autoScroll } = create();
  scroller.wheel(-100);
  assert.equal(autoScroll.isFollowing, true);
});

test("scrolling down near the end follows again", () => {
  const { scroller, autoScroll, changes, grow } = create();
  grow(2000);
  scroller.scrollBy(-600);
  scroller.scrollBy(400);
  assert.equal(autoScroll.isFollowing, false, "200 px are left");
  scroller.scrollBy(125);
  assert.equal(autoScroll.isFollowing, true, "75 px are left");
  grow(300);
  assert.deepEqual([scroller.left, changes], [0, [false, true]]);
});

test("a late scroll event of its own scrolling does not stop following", () => {
  const { scroller, autoScroll, grow } = create();
  grow(2000);
  scroller.grow(900);
  scroller.dispatchEvent(new Event("scroll"));
  assert.equal(autoScroll.isFollowing, true);
});

test("a shrinking page does not stop following", () => {
  const { scroller, autoScroll, grow } = create();
  grow(2000);
  scroller.height = 900;
  scroller.scrollBy(0);
  grow(10);
  assert.deepEqual([autoScroll.isFollowing, scroller.left], [true, 0]);
});

test("toEnd scrolls to the end and follows", () => {
  const { scroller, autoScroll, grow } = create();
  grow(2000);
  scroller.scrollBy(-600);
  autoScroll.toEnd();
  grow(300);
  assert.deepEqual([autoScroll.isFollowing, scroller.left], [true, 0]);
});

test("an update reads and writes the layout once, or not at all", () => {
  const { scroller, grow } = create();
  grow(2000);
  assert.deepEqual([scroller.reads, scroller.writes], [1, 1]);
  scroller.scrollBy(-600);
  scroller.reads = scroller.writes = 0;
  grow(300);
  assert.deepEqual([scroller.reads, scroller.writes], [0, 0]);
});
