import assert from "node:assert/strict";
import { test } from "node:test";

import { Throttle } from "../../../static/js/chat/throttle.js";
import { Clock } from "./clock.js";

test("the first call is made at once, the last one is never forgotten", () => {
  const clock = new Clock();
  const at = [];
  const throttle = new Throttle(() => at.push(clock.now()), 50, clock);
  throttle.ask();
  clock.pass(10);
  throttle.ask();
  throttle.ask();
  clock.pass(200);
  assert.deepEqual(at, [0, 50]);
});

test("being asked all the time does not starve it", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(() => (calls += 1), 50, clock);
  for (let ms = 0; ms < 1000; ms += 5) {
    throttle.ask();
    clock.pass(5);
  }
  assert.ok(calls >= 19 && calls <= 21, `${calls} calls in a second`);
});

test("now is now, and takes what was asked with it", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(() => (calls += 1), 50, clock);
  throttle.ask();
  throttle.ask();
  throttle.now();
  clock.pass(500);
  assert.equal(calls, 2);
});

test("what is cancelled is not called", () => {
  const clock = new Clock();
  let calls = 0;
  const throttle = new Throttle(() => (calls += 1), 50, clock);
  throttle.ask();
  throttle.ask();
  throttle.cancel();
  clock.pass(500);
  assert.equal(calls, 1);
});

test("a slow call leaves most of the time to others", () => {
  const clock = new Clock();
  let calls = 0;
  const slow = () => {
    calls += 1;
    clock.time += 100;
  };
  const throttle = new Throttle(slow, 50, clock);
  for (let ms = 0; ms < 5000; ms += 10) {
    throttle.ask();
    clock.pass(10);
  }
  assert.ok(calls * 100 <= 0.25 * clock.time, `${calls} calls of 100 ms in ${clock.time} ms`);
});

test("a call that fails does not end it", () => {
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
  assert.throws(() => throttle.ask(), /once/);
  throttle.ask();
  clock.pass(50);
  assert.equal(calls, 2);
});
