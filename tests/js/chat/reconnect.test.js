import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, LOG, WORDS, event, following, lines, refusal, settled } from "./following.js";

console.error = () => {};

test("cut at any byte, and resumed, the text is the same to the byte", async () => {
  const bytes = new TextEncoder().encode(lines().join(""));
  for (let at = 0; at < bytes.length; at += 1) {
    for (const end of ["end", "lose"]) {
      const resumed = ({ last = "0" }) => new Connection().say(lines().slice(Number(last)).join("")).end().response;
      const { answer, clock } = following([() => new Connection().say(bytes.subarray(0, at))[end]().response, resumed]);
      const over = answer.start();
      await settled();
      clock.pass(1000);
      await over;
      assert.equal(answer.text, WORDS.join(""), `${end} at ${at}`);
    }
  }
});

test("cut after every event, again and again, the text is the same", async () => {
  const one = ({ last = "0" }) => new Connection().say(lines()[Number(last)]).end().response;
  const { answer, clock, asked } = following([one]);
  const over = answer.start();
  for (let cut = 0; cut < LOG.length; cut += 1) {
    await settled();
    clock.pass(1000); // each brought something, so each wait is the first one
  }
  await over;
  assert.equal(answer.text, WORDS.join(""));
  assert.deepEqual(asked.map(({ last }) => last), [undefined, "1", "2", "3", "4", "5", "6", "7", "8"]);
});

test("what a server sends twice is shown once", async () => {
  const first = () => new Connection().say(lines().slice(0, 4).join("")).end().response;
  const { answer, clock } = following([first, () => new Connection().say(lines().join("")).response]);
  const over = answer.start();
  await settled();
  clock.pass(1000);
  await over;
  assert.equal(answer.text, WORDS.join(""));
});

test("after a reset the text is what follows it, and a cut in the replay resumes the replay", async () => {
  const stored = lines([LOG[0], { type: "chunk", text: "Only " }, { type: "chunk", text: "this." }, { type: "done", status: "failed" }]);
  const { answer, clock, asked, texts } = following([
    () => new Connection().say(lines().slice(0, 6).join("")).end().response,
    () => new Connection().say(event({ type: "reset" }, 6) + stored.slice(0, 2).join("")).end().response,
    ({ last }) => new Connection().say(stored.slice(Number(last)).join("")).response,
  ]);
  const over = answer.start();
  for (let cut = 0; cut < 2; cut += 1) {
    await settled();
    clock.pass(1000);
  }
  await over;
  assert.equal(answer.text, "Only this.");
  assert.ok(texts.includes("Only "));
  assert.deepEqual(asked.map(({ last }) => last), [undefined, "6", "2"]);
});

test("a cut right after a reset asks for everything", async () => {
  const { answer, clock, asked } = following([
    () => new Connection().say(lines().slice(0, 6).join("")).end().response,
    () => new Connection().say(event({ type: "reset" }, 6)).end().response,
    () => new Connection().say(lines().join("")).response,
  ]);
  const over = answer.start();
  for (let cut = 0; cut < 2; cut += 1) {
    await settled();
    clock.pass(1000);
  }
  await over;
  assert.equal(answer.text, WORDS.join(""));
  assert.equal(asked[2].last, undefined);
});

test("a request cut before it told its message is made again by the one who made it", async () => {
  let sent = 0;
  const cut = [() => new Connection().say(": ping\n\n").lose().response, () => Promise.reject(new TypeError("offline"))];
  const send = async () => (sent += 1) && (cut.shift() ?? (() => new Connection().say(lines().join("")).response))();
  const { answer, clock, asked } = following([() => assert.fail("no message is known")], { send });
  const over = answer.start();
  for (const wait of [1000, 2000]) {
    await settled();
    clock.pass(wait);
  }
  await over;
  assert.deepEqual([sent, asked.length, answer.text], [3, 0, WORDS.join("")]);
});

test("once the message is known it is followed, not sent again", async () => {
  const send = async () => new Connection().say(lines()[0]).end().response;
  const { answer, clock, asked } = following([() => new Connection().say(lines().join("")).response], { send });
  const over = answer.start();
  await settled();
  clock.pass(1000);
  await over;
  assert.deepEqual([asked[0].url, asked[0].last], ["/events/m1", "1"]);
});

test("silence for more than two pings is a loss, a ping is not silence", async () => {
  const silent = new Connection().say(lines().slice(0, 3).join(""));
  const { answer, clock, phases } = following([() => silent.response, () => new Connection().say(lines().join("")).response]);
  const over = answer.start();
  for (let ping = 0; ping < 4; ping += 1) {
    await settled();
    clock.pass(39_000);
    silent.say(": ping\n\n");
  }
  await settled();
  assert.ok(!phases().includes("reconnecting"));
  clock.pass(40_000);
  await settled();
  assert.equal(silent.cancelled, true);
  assert.equal(phases().at(-1), "reconnecting");
  clock.pass(1000);
  await over;
  assert.equal(answer.text, WORDS.join(""));
});

test("a server that never answers is given up and asked again", async () => {
  const { answer, clock, asked } = following([() => new Promise(() => {}), () => new Connection().say(lines().join("")).response]);
  const over = answer.start();
  await settled();
  clock.pass(40_000);
  await settled();
  assert.equal(asked[0].signal.aborted, true);
  clock.pass(1000);
  await over;
  assert.equal(answer.text, WORDS.join(""));
});

test("it never gives up, and says at each try where it stands", async () => {
  const { answer, clock, asked, states } = following([() => Promise.reject(new TypeError("offline"))]);
  void answer.start();
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 35_000, 35_000]) {
    await settled();
    const before = asked.length;
    clock.pass(wait);
    await settled();
    assert.equal(asked.length, before + 1);
  }
  assert.equal(states[2].words, "Reconnecting, try 2 of 5");
  assert.match(answer.words, /^No connection\. Next try in \d+ s$/);
  answer.close();
});

test("a restarting server is waited for as long as it asks", async () => {
  const { answer, clock, asked } = following([
    () => new Connection().say(lines()[0]).end().response,
    () => refusal(503, {}, { "Retry-After": "7" }),
    () => new Connection().say(lines().join("")).response,
  ]);
  const over = answer.start();
  await settled();
  clock.pass(1000);
  await settled();
  clock.pass(6900);
  await settled();
  assert.equal(asked.length, 2);
  clock.pass(100);
  await over;
  assert.equal(answer.text, WORDS.join(""));
});

test("a network that is back, or a page that is looked at again, ends the wait", async () => {
  for (const name of ["online", "pageshow", "visibilitychange"]) {
    const { answer, page, asked } = following([
      () => Promise.reject(new TypeError("offline")),
      () => new Connection().say(lines().join("")).response,
    ]);
    const over = answer.start();
    await settled();
    assert.equal(asked.length, 1);
    page.dispatchEvent(new Event(name));
    await over;
    assert.equal(answer.text, WORDS.join(""));
  }
});

test("a laptop that was closed finds its dead connection at once", async () => {
  const dead = new Connection().say(lines().slice(0, 3).join(""));
  const { answer, clock, page, asked } = following([() => dead.response, () => new Connection().say(lines().join("")).response]);
  const over = answer.start();
  await settled();
  clock.time += 3_600_000; // timers slept too
  page.dispatchEvent(new Event("visibilitychange"));
  await settled();
  assert.equal(dead.cancelled, true);
  page.dispatchEvent(new Event("online"));
  await over;
  assert.equal(asked.length, 2);
});

test("a withdrawn right ends it with a sentence", async () => {
  for (const [status, sentence] of [[401, /signed out/], [403, /may no longer/], [404, /is gone/]]) {
    const { answer, clock, states, asked } = following([
      () => new Connection().say(lines().slice(0, 3).join("")).end().response,
      () => refusal(/** @type {number} */ (status)),
    ]);
    const over = answer.start();
    await settled();
    clock.pass(1000);
    await over;
    assert.deepEqual([states.at(-1).phase, states.at(-1).code, asked.length], ["over", status, 2]);
    assert.match(states.at(-1).words, /** @type {RegExp} */ (sentence));
    assert.equal(answer.text, WORDS.slice(0, 2).join(""), "what was shown stays");
  }
});

test("a page where events should be is a loss, not an answer", async () => {
  const { answer, clock } = following([
    () => new Connection({ type: "text/html" }).say("<p>").response,
    () => new Connection().say(lines().join("")).response,
  ]);
  const over = answer.start();
  await settled();
  clock.pass(1000);
  await over;
  assert.equal(answer.text, WORDS.join(""));
});

test("events that cannot be read are a loss, and are asked for again", async () => {
  const { answer, clock, asked } = following([
    () => new Connection().say(lines().slice(0, 2).join("") + "id: 3\ndata: {broken\n\n").response,
    ({ last }) => new Connection().say(lines().slice(Number(last)).join("")).response,
  ]);
  const over = answer.start();
  await settled();
  clock.pass(1000);
  await over;
  assert.deepEqual([asked[1].last, answer.text], ["2", WORDS.join("")]);
});
