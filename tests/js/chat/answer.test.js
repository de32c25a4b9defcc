import assert from "node:assert/strict";
import { test } from "node:test";

import { AnswerStream } from "../../../static/js/chat/answer.js";
import { Clock } from "./clock.js";
import { Connection, LOG, WORDS, following, lines, refusal, settled } from "./following.js";

console.error = () => {};

test("an answer that comes in one piece", async () => {
  const whole = new Connection().say(": ping\n\n").say(lines().join(""));
  const { answer, states, events, phases, texts } = following([() => whole.response]);
  await answer.start();
  assert.equal(answer.text, WORDS.join(""));
  assert.equal(texts.at(-1), WORDS.join(""));
  assert.deepEqual(phases(), ["waiting", "streaming", "over"]);
  assert.equal(states.at(-1).status, "complete");
  assert.deepEqual(events.map(({ type }) => type), ["start", "sources"]);
});

test("the response of the request that asked is read, and nothing else is asked", async () => {
  const { answer, asked } = following([() => assert.fail("asked again")], {});
  await answer.start(new Connection().say(lines().join("")).response);
  assert.equal(answer.text, WORDS.join(""));
  assert.deepEqual(asked, []);
});

test("a prompt that is not taken is told as in the seed, with the server's reason", async () => {
  const problem = { detail: "Another answer is being written.", message_id: "m0" };
  const { answer, states } = following([() => assert.fail("asked")], {});
  await answer.start(refusal(409, problem));
  assert.deepEqual(states.at(-1), {
    phase: "over", words: "Stream error: 409. Another answer is being written.", code: 409, problem,
  });
  const busy = following([() => assert.fail("asked")], { send: async () => new Response("<html>", { status: 503 }) });
  await busy.answer.start();
  assert.equal(busy.states.at(-1).words, "Stream error: 503");
});

test("the server's reason for a failure comes with the end", async () => {
  const error = { type: "error", code: "provider", message: "The model does not answer.", retryable: true };
  const failed = lines([LOG[0], LOG[1], error, { type: "done", status: "failed" }]);
  const { answer, states } = following([() => new Connection().say(failed.join("")).response]);
  await answer.start();
  assert.deepEqual(states.at(-1), { phase: "over", words: "The model does not answer.", status: "failed", error });
  assert.equal(answer.text, "Two ");
});

test("an empty answer is told as in the seed, a stopped one is not called empty", async () => {
  for (const [status, words] of [["complete", "Response was empty"], ["stopped", ""]]) {
    const { answer, states } = following([() => new Connection().say(lines([LOG[0], { type: "done", status }]).join("")).response]);
    await answer.start();
    assert.deepEqual([states.at(-1).status, states.at(-1).words], [status, words]);
  }
});

test("closing detaches and says nothing more", async () => {
  const open = new Connection().say(lines().slice(0, 3).join(""));
  const { answer, clock, states, texts } = following([() => open.response]);
  const over = answer.start();
  await settled();
  const said = [states.length, texts.length];
  answer.close();
  await over;
  clock.pass(120_000);
  await settled();
  assert.equal(open.cancelled, true);
  assert.deepEqual([states.length, texts.length], said);
  assert.deepEqual(clock.timers, []);
});

test("closing ends a wait and a request too", async () => {
  const waiting = following([() => Promise.reject(new TypeError("offline"))]);
  const over = waiting.answer.start();
  await settled();
  waiting.answer.close();
  await over;
  const asking = following([() => new Promise(() => {})]);
  const asked = asking.answer.start();
  await settled();
  asking.answer.close();
  await asked;
  assert.equal(asking.asked[0].signal.aborted, true);
  assert.deepEqual([...waiting.clock.timers, ...asking.clock.timers], []);
});

test("a page that fails to show a text does not lose the answer", async () => {
  const clock = new Clock();
  const answer = new AnswerStream(
    { events: () => "/", message: "m1" },
    { text: () => { throw new Error("cannot draw"); }, state: () => {} },
    { fetch: async () => new Connection().say(lines().join("")).response, page: new EventTarget(), ...clock },
  );
  await answer.start();
  assert.equal(answer.text, WORDS.join(""));
});
