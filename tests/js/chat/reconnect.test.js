import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, LOG, CHUNKS, encode, createStream, lines, errorResponse, settle } from "./answer-stream.js";

console.error = () => {};

test("cut at any byte and resumed, the text is byte for byte the same", async () => {
  const bytes = new TextEncoder().encode(lines().join(""));
  for (let at = 0; at < bytes.length; at += 1) {
    for (const end of ["end", "lose"]) {
      const resumed = ({ last = "0" }) => new Connection().write(lines().slice(Number(last)).join("")).end().response;
      const { answer, clock } = createStream([() => new Connection().write(bytes.subarray(0, at))[end]().response, resumed]);
      const finished = answer.start();
      await settle();
      clock.advance(1000);
      await finished;
      assert.equal(answer.text, CHUNKS.join(""), `${end} at ${at}`);
    }
  }
});

test("cut after each event, the text is the same", async () => {
  const one = ({ last = "0" }) => new Connection().write(lines()[Number(last)]).end().response;
  const { answer, clock, requests } = createStream([one]);
  const finished = answer.start();
  for (let cut = 0; cut < LOG.length; cut += 1) {
    await settle();
    clock.advance(1000); // each connection brought an event, so each delay is the first one
  }
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
  assert.deepEqual(requests.map(({ last }) => last), [undefined, "1", "2", "3", "4", "5", "6", "7", "8"]);
});

test("events that are sent twice are applied once", async () => {
  const first = () => new Connection().write(lines().slice(0, 4).join("")).end().response;
  const { answer, clock } = createStream([first, () => new Connection().write(lines().join("")).response]);
  const finished = answer.start();
  await settle();
  clock.advance(1000);
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
});

test("a reset clears the text, and a cut in the replay resumes the replay", async () => {
  const stored = lines([LOG[0], { type: "chunk", text: "Only " }, { type: "chunk", text: "this." }, { type: "done", status: "failed" }]);
  const { answer, clock, requests, texts } = createStream([
    () => new Connection().write(lines().slice(0, 6).join("")).end().response,
    () => new Connection().write(encode({ type: "reset" }, 6) + stored.slice(0, 2).join("")).end().response,
    ({ last }) => new Connection().write(stored.slice(Number(last)).join("")).response,
  ]);
  const finished = answer.start();
  for (let cut = 0; cut < 2; cut += 1) {
    await settle();
    clock.advance(1000);
  }
  await finished;
  assert.equal(answer.text, "Only this.");
  assert.ok(texts.includes("Only "));
  assert.deepEqual(requests.map(({ last }) => last), [undefined, "6", "2"]);
});

test("a cut right after a reset requests the whole answer", async () => {
  const { answer, clock, requests } = createStream([
    () => new Connection().write(lines().slice(0, 6).join("")).end().response,
    () => new Connection().write(encode({ type: "reset" }, 6)).end().response,
    () => new Connection().write(lines().join("")).response,
  ]);
  const finished = answer.start();
  for (let cut = 0; cut < 2; cut += 1) {
    await settle();
    clock.advance(1000);
  }
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
  assert.equal(requests[2].last, undefined);
});

test("the prompt is sent again until the message id is known", async () => {
  let sends = 0;
  const cut = [() => new Connection().write(": ping\n").fail().response, () => Promise.reject(new TypeError("offline"))];
  const send = async () => (sends += 1) && (cut.shift() ?? (() => new Connection().write(lines().join("")).response))();
  const { answer, clock, requests } = createStream([() => assert.fail("no message is known")], { send });
  const finished = answer.start();
  for (const wait of [1000, 2000]) {
    await settle();
    clock.advance(wait);
  }
  await finished;
  assert.deepEqual([sends, requests.length, answer.text], [3, 0, CHUNKS.join("")]);
});

test("once the message id is known, its events are requested and nothing is sent again", async () => {
  const send = async () => new Connection().write(lines()[0]).end().response;
  const { answer, clock, requests } = createStream([() => new Connection().write(lines().join("")).response], { send });
  const finished = answer.start();
  await settle();
  clock.advance(1000);
  await finished;
  assert.deepEqual([requests[0].url, requests[0].last], ["/events/m1", "1"]);
});

test("a silence of more than two pings is a lost connection", async () => {
  const silent = new Connection().write(lines().slice(0, 3).join(""));
  const { answer, clock, phases } = createStream([() => silent.response, () => new Connection().write(lines().join("")).response]);
  const finished = answer.start();
  for (let ping = 0; ping < 4; ping += 1) {
    await settle();
    clock.advance(39_000);
    silent.write(": ping\n");
  }
  await settle();
  assert.ok(!phases().includes("reconnecting"));
  clock.advance(40_000);
  await settle();
  assert.equal(silent.cancelled, true);
  assert.equal(phases().at(-1), "reconnecting");
  clock.advance(1000);
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
});

test("a request without a response is aborted and repeated", async () => {
  const { answer, clock, requests } = createStream([() => new Promise(() => {}), () => new Connection().write(lines().join("")).response]);
  const finished = answer.start();
  await settle();
  clock.advance(40_000);
  await settle();
  assert.equal(requests[0].signal.aborted, true);
  clock.advance(1000);
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
});

test("it reconnects without end, with a message for each attempt", async () => {
  const { answer, clock, requests, states } = createStream([() => Promise.reject(new TypeError("offline"))]);
  void answer.start();
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 35_000, 35_000]) {
    await settle();
    const before = requests.length;
    clock.advance(wait);
    await settle();
    assert.equal(requests.length, before + 1);
  }
  assert.equal(states[2].message, "Reconnecting, try 2 of 5");
  assert.match(answer.message, /^No connection\. Next try in \d+ s$/);
  answer.close();
});

test("Retry-After delays the next attempt", async () => {
  const { answer, clock, requests } = createStream([
    () => new Connection().write(lines()[0]).end().response,
    () => errorResponse(503, {}, { "Retry-After": "7" }),
    () => new Connection().write(lines().join("")).response,
  ]);
  const finished = answer.start();
  await settle();
  clock.advance(1000);
  await settle();
  clock.advance(6900);
  await settle();
  assert.equal(requests.length, 2);
  clock.advance(100);
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
});

test("a wake event of the page ends the pause", async () => {
  for (const name of ["online", "pageshow", "visibilitychange"]) {
    const { answer, page, requests } = createStream([
      () => Promise.reject(new TypeError("offline")),
      () => new Connection().write(lines().join("")).response,
    ]);
    const finished = answer.start();
    await settle();
    assert.equal(requests.length, 1);
    page.dispatchEvent(new Event(name));
    await finished;
    assert.equal(answer.text, CHUNKS.join(""));
  }
});

test("after sleep a dead connection is detected at once", async () => {
  const dead = new Connection().write(lines().slice(0, 3).join(""));
  const { answer, clock, page, requests } = createStream([() => dead.response, () => new Connection().write(lines().join("")).response]);
  const finished = answer.start();
  await settle();
  clock.time += 3_600_000; // timers did not fire during sleep
  page.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.equal(dead.cancelled, true);
  page.dispatchEvent(new Event("online"));
  await finished;
  assert.equal(requests.length, 2);
});

test("a revoked permission ends the stream with a sentence", async () => {
  for (const [status, sentence] of [[401, /signed out/], [403, /may no longer/], [404, /is gone/]]) {
    const { answer, clock, states, requests } = createStream([
      () => new Connection().write(lines().slice(0, 3).join("")).end().response,
      () => errorResponse(/** @type {number} */ (status)),
    ]);
    const finished = answer.start();
    await settle();
    clock.advance(1000);
    await finished;
    assert.deepEqual([states.at(-1).phase, states.at(-1).code, requests.length], ["ended", status, 2]);
    assert.match(states.at(-1).message, /** @type {RegExp} */ (sentence));
    assert.equal(answer.text, CHUNKS.slice(0, 2).join(""), "the text so far stays");
  }
});

test("a 204 ends the answer: the server has no more events", async () => {
  const { answer, clock, states, requests } = createStream([
    () => new Connection().write(lines().slice(0, 7).join("")).end().response,
    () => new Response(null, { status: 204 }),
  ]);
  const finished = answer.start();
  await settle();
  clock.advance(1000);
  await finished;
  assert.deepEqual([states.at(-1).phase, states.at(-1).status, requests.length], ["ended", "complete", 2]);
  assert.equal(answer.text, CHUNKS.join(""));
});

test("an HTML response counts as a lost connection", async () => {
  const { answer, clock } = createStream([
    () => new Connection({ type: "text/html" }).write("<p>").response,
    () => new Connection().write(lines().join("")).response,
  ]);
  const finished = answer.start();
  await settle();
  clock.advance(1000);
  await finished;
  assert.equal(answer.text, CHUNKS.join(""));
});

test("invalid events count as a lost connection and are requested again", async () => {
  const { answer, clock, requests } = createStream([
    () => new Connection().write(lines().slice(0, 2).join("") + "id: 3\ndata: {broken\n\n").response,
    ({ last }) => new Connection().write(lines().slice(Number(last)).join("")).response,
  ]);
  const finished = answer.start();
  await settle();
  clock.advance(1000);
  await finished;
  assert.deepEqual([requests[1].last, answer.text], ["2", CHUNKS.join("")]);
});
