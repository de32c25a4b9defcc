import assert from "node:assert/strict";
import { test } from "node:test";

import { AnswerStream } from "../../../static/js/chat/answer.js";
import { Clock } from "./clock.js";
import { Connection, LOG, CHUNKS, createStream, lines, errorResponse, settle } from "./answer-stream.js";

console.error = () => {};

test("an answer in one piece is read", async () => {
  const whole = new Connection().write(": ping\n").write(lines().join(""));
  const { answer, states, events, phases, texts } = createStream([() => whole.response]);
  await answer.start();
  assert.equal(answer.text, CHUNKS.join(""));
  assert.equal(texts.at(-1), CHUNKS.join(""));
  assert.deepEqual(phases(), ["waiting", "streaming", "ended"]);
  assert.equal(states.at(-1).status, "complete");
  assert.deepEqual(events.map(({ type }) => type), ["start", "sources"]);
});

test("a given response is read without a second request", async () => {
  const { answer, requests } = createStream([() => assert.fail("a second request")], {});
  await answer.start(new Connection().write(lines().join("")).response);
  assert.equal(answer.text, CHUNKS.join(""));
  assert.deepEqual(requests, []);
});

test("a refused prompt ends with the seed's message and the server's reason", async () => {
  const problem = { detail: "Another answer is being written.", message_id: "m0" };
  const { answer, states } = createStream([() => assert.fail("a request")], {});
  await answer.start(errorResponse(409, problem));
  assert.deepEqual(states.at(-1), {
    phase: "ended", message: "Stream error: 409. Another answer is being written.", code: 409, problem,
  });
  const busy = createStream([() => assert.fail("a request")], { send: async () => new Response("<html>", { status: 503 }) });
  await busy.answer.start();
  assert.equal(busy.states.at(-1).message, "Stream error: 503");
});

test("the final state of a failed answer has the server's reason", async () => {
  const error = { type: "error", code: "provider", message: "The model does not answer.", retryable: true };
  const failed = lines([LOG[0], LOG[1], error, { type: "done", status: "failed" }]);
  const { answer, states } = createStream([() => new Connection().write(failed.join("")).response]);
  await answer.start();
  assert.deepEqual(states.at(-1), { phase: "ended", message: "The model does not answer.", status: "failed", error });
  assert.equal(answer.text, "Two ");
});

test("an empty answer has the seed's message, a stopped one has none", async () => {
  for (const [status, message] of [["complete", "Response was empty"], ["stopped", ""]]) {
    const { answer, states } = createStream([() => new Connection().write(lines([LOG[0], { type: "done", status }]).join("")).response]);
    await answer.start();
    assert.deepEqual([states.at(-1).status, states.at(-1).message], [status, message]);
  }
});

test("close disconnects, without further callbacks", async () => {
  const open = new Connection().write(lines().slice(0, 3).join(""));
  const { answer, clock, states, texts } = createStream([() => open.response]);
  const finished = answer.start();
  await settle();
  const before = [states.length, texts.length];
  answer.close();
  await finished;
  clock.advance(120_000);
  await settle();
  assert.equal(open.cancelled, true);
  assert.deepEqual([states.length, texts.length], before);
  assert.deepEqual(clock.timers, []);
});

test("close also ends a pause and a pending request", async () => {
  const waiting = createStream([() => Promise.reject(new TypeError("offline"))]);
  const finished = waiting.answer.start();
  await settle();
  waiting.answer.close();
  await finished;
  const requesting = createStream([() => new Promise(() => {})]);
  const aborted = requesting.answer.start();
  await settle();
  requesting.answer.close();
  await aborted;
  assert.equal(requesting.requests[0].signal.aborted, true);
  assert.deepEqual([...waiting.clock.timers, ...requesting.clock.timers], []);
});

test("an exception in a listener does not lose the answer", async () => {
  const clock = new Clock();
  const answer = new AnswerStream(
    { events: () => "/", message: "m1" },
    { text: () => { throw new Error("cannot draw"); }, state: () => {} },
    { fetch: async () => new Connection().write(lines().join("")).response, page: new EventTarget(), ...clock },
  );
  await answer.start();
  assert.equal(answer.text, CHUNKS.join(""));
});
