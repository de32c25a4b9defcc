/** An answer that is followed over connections which the test feeds, cuts and loses. */
import { AnswerStream } from "../../../static/js/chat/answer.js";
import { Clock } from "./clock.js";

/** What was set going, as far as it goes. */
export const settled = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
export const WORDS = ["Two ", "games — ", "🏀", "\n\n", "**lost**", "."];
export const LOG = [
  { type: "start", message_id: "m1", user_message_id: "u1", model: "small" },
  ...WORDS.map((text) => ({ type: "chunk", text })),
  { type: "sources", facts: [] },
  { type: "done", status: "complete" },
];
export const event = (/** @type {object} */ said, /** @type {number} */ id) => `id: ${id}\ndata: ${JSON.stringify(said)}\n\n`;
export const lines = (log = LOG) => log.map((said, at) => event(said, at + 1));

/** A connection that the test feeds and ends. */
export class Connection {
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

export const refusal = (/** @type {number} */ status, body = {}, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/problem+json", ...headers } });

/**
 * An answer, and what it was answered: `replies` are used up one by one, the last one for ever.
 * @param {((asked: any) => Response | Promise<Response>)[]} replies
 * @param {object} [source]
 */
export function following(replies, source = { message: "m1" }) {
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
