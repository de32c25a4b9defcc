/** An AnswerStream over fake connections that a test feeds, ends and breaks. */
import { AnswerStream } from "../../../static/js/chat/answer.js";
import { Clock } from "./clock.js";

/** Let pending promises and stream reads run. */
export const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
export const CHUNKS = ["Two ", "games — ", "🏀", "\n\n", "**lost**", "."];
export const LOG = [
  { type: "start", message_id: "m1", user_message_id: "u1", model: "small" },
  ...CHUNKS.map((text) => ({ type: "chunk", text })),
  { type: "sources", facts: [] },
  { type: "done", status: "complete" },
];
export const encode = (/** @type {object} */ data, /** @type {number} */ id) => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
export const lines = (log = LOG) => log.map((data, at) => encode(data, at + 1));

/** One response whose body a test writes. */
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
  write(data) {
    this.controller.enqueue(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this;
  }
  end() {
    this.controller.close();
    return this;
  }
  fail() {
    this.controller.error(new TypeError("network error"));
    return this;
  }
}

export const errorResponse = (/** @type {number} */ status, body = {}, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/problem+json", ...headers } });

/**
 * An AnswerStream with a record of its requests and callbacks. `replies` answer the requests in turn; the
 * last one is repeated.
 * @param {((request: any) => Response | Promise<Response>)[]} replies
 * @param {object} [source]
 */
export function createStream(replies, source = { message: "m1" }) {
  const clock = new Clock();
  const page = new EventTarget();
  const requests = [];
  const states = [];
  const texts = [];
  const events = [];
  const reply = (request) => {
    requests.push(request);
    return (replies.length > 1 ? replies.shift() : replies[0])(request);
  };
  const fetch = async (url, { headers, signal }) => reply({ url, last: headers["Last-Event-ID"], signal });
  const answer = new AnswerStream(
    { events: (message) => `/events/${message}`, ...source },
    { text: (text) => texts.push(text), state: (state) => states.push(state), event: (event) => events.push(event) },
    { fetch, page, ...clock },
  );
  const phases = () => states.map(({ phase }) => phase);
  return { answer, clock, page, requests, states, texts, events, phases, reply };
}
