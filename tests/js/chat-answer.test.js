import assert from "node:assert/strict";
import { test } from "node:test";

import { AnswerStream } from "../../static/js/chat/answer.js";
import { Clock } from "./chat-clock.js";

console.error = () => {};
/** What was set going, as far as it goes. */
const settled = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
const WORDS = ["Two ", "games — ", "🏀", "\n\n", "**lost**", "."];
const LOG = [
  { type: "start", message_id: "m1", user_message_id: "u1", model: "small" },
  ...WORDS.map((text) => ({ type: "chunk", text })),
  { type: "sources", facts: [] },
  { type: "done", status: "complete" },
];
const event = (/** @type {object} */ said, /** @type {number} */ id) => `id: ${id}\ndata: ${JSON.stringify(said)}\n\n`;
const lines = (log = LOG) => log.map((said, at) => event(said, at + 1));

/** A connection that the test feeds and ends. */
class Connection {
  cancelled = false;
  constructor({ status = 200, type = "text/event-stream; charset=utf-8", headers = {} } = {}) {
    const body = new ReadableStream({
      start: (controller) => (this.controller = controller),
      cancel: () => void (this.cancelled = true),
    });
    this.response = new Response(body, { status, headers: { "Content-Type": type, ...headers } });
  }
  /** @param {string | Uint8Array} data */
  say(data) {
    this.controller.enqueue(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this;
  }
  end() {
    this.controller.close();
    return this;
  }
  lose() {
    this.controller.error(new TypeError("network error"));
    return this;
  }
}

const refusal = (/** @type {number} */ status, body = {}, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/problem+json", ...headers } });

/**
 * An answer, and what it was answered: `replies` are used up one by one, the last one for ever.
 * @param {((asked: any) => Response | Promise<Response>)[]} replies
 * @param {object} [source]
 */
function following(replies, source = { message: "m1" }) {
  const clock = new Clock();
  const page = new EventTarget();
  const asked = [];
  const states = [];
  const texts = [];
  const events = [];
  const reply = (request) => {
    asked.push(request);
    return (replies.length > 1 ? replies.shift() : replies[0])(request);
  };
  const fetch = async (url, { headers, signal }) => reply({ url, last: headers["Last-Event-ID"], signal });
  const answer = new AnswerStream(
    { events: (message) => `/events/${message}`, ...source },
    { text: (text) => texts.push(text), state: (state) => states.push(state), event: (said) => events.push(said) },
    { fetch, page, ...clock },
  );
  const phases = () => states.map(({ phase }) => phase);
  return { answer, clock, page, asked, states, texts, events, phases, reply };
}

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
