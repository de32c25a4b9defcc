import assert from "node:assert/strict";
import { test } from "node:test";

import { Follower } from "../../../static/js/chat/scroll.js";

/** A scrolled element that counts how often its layout is read and written. */
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
  /** What a reader does: it is heard afterwards. */
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

function following() {
  const scroller = new Scroller();
  const follower = new Follower(/** @type {any} */ (scroller));
  const heard = [];
  follower.addEventListener("following", () => heard.push(follower.following));
  const grow = (px) => {
    scroller.grow(px);
    follower.grown();
  };
  return { scroller, follower, heard, grow };
}

test("a reader at the end stays at the end", () => {
  const { scroller, follower, grow } = following();
  for (let flush = 0; flush < 10; flush += 1) {
    grow(300);
    assert.equal(scroller.left, 0);
  }
  assert.equal(follower.following, true);
});

test("a reader who went up is left alone, and told so", () => {
  const { scroller, follower, heard, grow } = following();
  grow(2000);
  scroller.scrollBy(-600);
  const { top } = scroller;
  for (let flush = 0; flush < 10; flush += 1) grow(300);
  assert.deepEqual([scroller.top, follower.following, heard], [top, false, [false]]);
});

test("a few pixels up are enough, or each flush would pull back", () => {
  const { scroller, grow } = following();
  grow(2000);
  scroller.scrollBy(-12);
  const { top } = scroller;
  grow(300);
  assert.equal(scroller.top, top);
});

test("the wheel is heard before the page has moved", () => {
  const { scroller, grow } = following();
  grow(2000);
  scroller.wheel(-100);
  const { top } = scroller;
  grow(300);
  assert.equal(scroller.top, top);
});

test("the wheel on a page too short to scroll changes nothing", () => {
  const { scroller, follower } = following();
  scroller.wheel(-100);
  assert.equal(follower.following, true);
});

test("coming back down to near the end follows again", () => {
  const { scroller, follower, heard, grow } = following();
  grow(2000);
  scroller.scrollBy(-600);
  scroller.scrollBy(400);
  assert.equal(follower.following, false, "200 px are left");
  scroller.scrollBy(125);
  assert.equal(follower.following, true, "75 px are left");
  grow(300);
  assert.deepEqual([scroller.left, heard], [0, [false, true]]);
});

test("a page that grows before its own scrolling is heard is not taken for a reader", () => {
  const { scroller, follower, grow } = following();
  grow(2000);
  scroller.grow(900);
  scroller.dispatchEvent(new Event("scroll"));
  assert.equal(follower.following, true);
});

test("a page that shrinks is not taken for a reader", () => {
  const { scroller, follower, grow } = following();
  grow(2000);
  scroller.height = 900;
  scroller.scrollBy(0);
  grow(10);
  assert.deepEqual([follower.following, scroller.left], [true, 0]);
});

test("the button leads to the end and follows from there", () => {
  const { scroller, follower, grow } = following();
  grow(2000);
  scroller.scrollBy(-600);
  follower.toEnd();
  grow(300);
  assert.deepEqual([follower.following, scroller.left], [true, 0]);
});

test("a flush reads the layout once and writes it once, or not at all", () => {
  const { scroller, grow } = following();
  grow(2000);
  assert.deepEqual([scroller.reads, scroller.writes], [1, 1]);
  scroller.scrollBy(-600);
  scroller.reads = scroller.writes = 0;
  grow(300);
  assert.deepEqual([scroller.reads, scroller.writes], [0, 0]);
});
