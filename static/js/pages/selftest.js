import { csrfToken } from "../shell/csrf.js";
import { sentenceOf } from "../shell/problem.js";

/** Listens to the self-test's streams as any browser would; the server judges what was heard. */

const HEADERS = ["content-type", "content-encoding", "server", "via"];

/**
 * @typedef {{ arrivals: [number, number][], headers: Record<string, string>, ended: boolean, over: number }} Heard
 * @typedef {{ kind: string, sentence: string, lines: { proxy: string, directive: string, where: string }[] }} Finding
 * @typedef {{ state: string, sentence: string, findings: Finding[] }} Judgement
 */

/**
 * When each event of a stream was sent and arrived, in seconds.
 * @param {string} url @param {number} limit seconds @param {(count: number) => void} told
 * @returns {Promise<Heard>}
 */
async function listen(url, limit, told) {
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  /** @type {Heard} */
  const heard = { arrivals: [], headers: {}, ended: false, over: 0 };
  try {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(limit * 1000) });
    for (const name of HEADERS) heard.headers[name] = answer.headers.get(name) ?? "";
    const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
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
        heard.arrivals.push([event.sent, since()]);
        heard.ended = event.type === "end";
        told(heard.arrivals.length);
      }
    }
  } catch (error) {
    console.info("The stream ended early", error); // which is what the test is there to find
  }
  heard.over = since();
  return heard;
}

/**
 * @param {string} url @param {BodyInit} body
 * @returns {Promise<any>}
 */
async function post(url, body) {
  const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": csrfToken() } });
  if (!answer.ok || answer.redirected) throw new Error(await sentenceOf(answer));
  return answer.json();
}

/** @param {string} name @param {string} className @param {string} text */
function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

class Result {
  #place;

  /** @param {HTMLElement} place with `[data-says]` and `[data-findings]` */
  constructor(place) {
    this.#place = place;
  }

  /** @param {string} sentence @param {string} state */
  say(sentence, state) {
    const says = /** @type {HTMLElement} */ (this.#place.querySelector("[data-says]"));
    says.textContent = sentence;
    this.#place.dataset.state = state;
    this.#place.hidden = false;
  }

  /** @param {Judgement} judgement */
  show({ state, sentence, findings }) {
    this.say(sentence, state);
    const list = /** @type {HTMLElement} */ (this.#place.querySelector("[data-findings]"));
    list.replaceChildren(...findings.map((finding) => this.#item(finding)));
  }

  /** @param {Finding} finding */
  #item(finding) {
    const item = element("li", "finding", "");
    item.dataset.kind = finding.kind;
    item.append(element("p", "", finding.sentence));
    for (const line of finding.lines) {
      item.append(element("p", "finding-where", `${line.proxy}, ${line.where}:`));
      item.append(element("pre", "finding-line", line.directive));
    }
    return item;
  }
}

const button = /** @type {HTMLButtonElement} */ (document.querySelector("[data-selftest]"));
const { begin = "", judge = "", here = "", quiet = "" } = button.dataset;

async function fromTheBrowser() {
  const result = new Result(/** @type {HTMLElement} */ (document.querySelector("[data-from=browser]")));
  try {
    result.show({ state: "busy", sentence: "Listening", findings: [] });
    const { chat, bare, limit } = await post(begin, new URLSearchParams({ quiet }));
    const told = (/** @type {number} */ count) =>
      result.say(count < 10 ? `Listening: event ${count} of 10` : `Waiting through ${quiet} s of silence`, "busy");
    const heard = await Promise.all([listen(chat, limit, told), listen(bare, limit, () => {})]);
    result.show(await post(judge, JSON.stringify({ chat: heard[0], bare: heard[1] })));
  } catch (error) {
    console.error("The self-test could not be run", error);
    result.say("The test could not be run. Reload the page and try again.", "wrong");
  }
}

async function fromTheServer() {
  if (!here) return;
  const result = new Result(/** @type {HTMLElement} */ (document.querySelector("[data-from=server]")));
  try {
    result.show({ state: "busy", sentence: "Listening", findings: [] });
    result.show(await post(here, new URLSearchParams({ quiet })));
  } catch (error) {
    console.error("The server could not listen", error);
    result.say("The server’s own test could not be run. Reload the page and try again.", "wrong");
  }
}

button.addEventListener("click", async () => {
  button.disabled = true;
  await Promise.all([fromTheBrowser(), fromTheServer()]);
  button.disabled = false;
});
button.disabled = false; // until now a click would have been lost
