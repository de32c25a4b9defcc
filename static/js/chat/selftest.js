/** Measures an event stream as a browser receives it; the server judges the measurement. */

import { csrfToken, errorDetail } from "../shell/requests.js";

const HEADERS = ["content-type", "content-encoding", "server", "via"];

/**
 * @typedef {{ arrivals: [number, number][], headers: Record<string, string>, ended: boolean,
 *             over: number }} Measurement
 *   `arrivals`: when each event was sent and received, in seconds; `over`: when the stream ended
 * @typedef {{ kind: string, sentence: string,
 *             lines: { proxy: string, directive: string, where: string }[] }} Finding
 * @typedef {{ state: string, sentence: string, findings: Finding[] }} Judgement
 */

/**
 * Read a stream to its end, to an error or to the time limit.
 * @param {string} url
 * @param {number} limit seconds
 * @param {(count: number) => void} onEvent gets the number of events so far
 * @returns {Promise<Measurement>}
 */
export async function measureStream(url, limit, onEvent) {
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  /** @type {Measurement} */
  const measured = { arrivals: [], headers: {}, ended: false, over: 0 };
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(limit * 1000) });
    for (const name of HEADERS) measured.headers[name] = response.headers.get(name) ?? "";
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!line.startsWith("data: ")) continue;
        const event = JSON.parse(line.slice(6));
        measured.arrivals.push([event.sent, elapsed()]);
        measured.ended = event.type === "end";
        onEvent(measured.arrivals.length);
      }
    }
  } catch (error) {
    console.info("The stream ended early", error); // a finding of the test, not an error of the page
  }
  measured.over = elapsed();
  return measured;
}

/**
 * @param {string} url @param {BodyInit} body
 * @returns {Promise<any>} the JSON of the response; rejects with the server's error sentence
 */
export async function post(url, body) {
  const response = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": csrfToken() } });
  if (!response.ok || response.redirected) throw new Error(await errorDetail(response));
  return response.json();
}

/** The part of the page that shows the result of one test. */
export class Result {
  #root;

  /** @param {HTMLElement} root with `[data-says]` and `[data-findings]` */
  constructor(root) {
    this.#root = root;
  }

  /** @param {string} sentence @param {string} state */
  say(sentence, state) {
    const output = /** @type {HTMLElement} */ (this.#root.querySelector("[data-says]"));
    output.textContent = sentence;
    this.#root.dataset.state = state;
    this.#root.hidden = false;
  }

  /** @param {Judgement} judgement */
  show({ state, sentence, findings }) {
    this.say(sentence, state);
    const list = /** @type {HTMLElement} */ (this.#root.querySelector("[data-findings]"));
    list.replaceChildren(...findings.map(findingItem));
  }
}

/** @param {Finding} finding */
function findingItem(finding) {
  const item = element("li", "finding", "");
  item.dataset.kind = finding.kind;
  item.append(element("p", "", finding.sentence));
  for (const line of finding.lines) {
    item.append(element("p", "finding-where", `${line.proxy}, ${line.where}:`));
    item.append(element("pre", "finding-line", line.directive));
  }
  return item;
}

/** @param {string} tag @param {string} className @param {string} text */
function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
