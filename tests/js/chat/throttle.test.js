import assert from "node:assert/strict";
import { test } from "node:test";

import { Throttle } from "../../../static/js/chat/throttle.js";
import { Clock } from "./clock.js";

test("the first call is made at once, and the last one is never lost", () => {
  const clock = new Clock();
  const at = [];
  const throttle = new Throttle(() => at.push(clock.now()), 50, clock);
  throttle.schedule();
  clock.advance(10);
  throttle.schedule();
  throttle.schedule();
  clock.advance(200);
  assert.deepEqual(at, [0, 50]);
});

test("continuous scheduling does not starve the call", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(() => (calls += 1), 50, clock);
  for (let ms = 0; ms < 1000; ms += 5) {
    throttle.schedule();
    clock.advance(5);
  }
  assert.ok(calls >= 19 && calls <= 21, `${calls} calls in a second`);
});

test("flush calls at once and includes a scheduled call", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(() => (calls += 1), 50, clock);
  throttle.schedule();
  throttle.schedule();
  throttle.flush();
  clock.advance(500);
  assert.equal(calls, 2);
});

test("a cancelled call is not made", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(() => (calls += 1), 50, clock);
  throttle.schedule();
  throttle.schedule();
  throttle.cancel();
  clock.advance(500);
  assert.equal(calls, 1);
});

test("a slow call uses at most a quarter of the time", () => {
  const clock = new Clock();
  let calls = 0;
  const slow = () => {
    calls += 1;
    clock.time += 100;
  };
  const throttle = new Throttle(slow, 50, clock);
  for (let ms = 0; ms < 5000; ms += 10) {
    throttle.schedule();
    clock.advance(10);
  }
  assert.ok(calls * 100 <= 0.25 * clock.time, `${calls} calls of 100 ms in ${clock.time} ms`);
});

test("an exception does not end the throttle", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(
    () => {
      calls += 1;
      if (calls === 1) throw new Error("once");
    },
    50,
    clock,
  );
  assert.throws(() => throttle.schedule(), /once/);
  throttle.schedule();
  clock.advance(50);
  assert.equal(calls, 2);
});
