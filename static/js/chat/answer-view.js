import { AnswerStream } from "./answer.js";
import { Arrival } from "./arrival.js";
import { IncrementalMarkdown } from "./markdown.js";
import { Throttle } from "./throttle.js";

const WAITING_AFTER_MS = 3000; // then the message says what it waits for
const TICK_MS = 1000; // of the countdown to the next attempt, and of the arrival

/**
 * Shows a streamed answer in the element of its message. The shown text never gets shorter: a replay
 * from the start is shown from the point at which it is longer than the text on the page.
 */
export class AnswerView {
  #content;
  #waiting;
  #markdown;
  #model;
  #onResize;
  #shownLength;
  #isAccepted;
  #stream;
  #arrival = new Arrival();
  #rendering = new Throttle(() => this.#render(false));
  #timers = [0, 0];

  /**
   * @param {HTMLElement} element an assistant's message with `[data-words]` and `[data-waiting]`
   * @param {import("./answer.js").Source} source
   * @param {{onResize: () => void, model?: string, shownLength?: number}} options `onResize` is called
   *   after each change of size; `shownLength`: characters of the answer that the element already has
   */
  constructor(element, source, { onResize, model = "the model", shownLength = 0 }) {
    this.element = element;
    this.#content = /** @type {HTMLElement} */ (element.querySelector("[data-words]"));
    this.#waiting = element.querySelector("[data-waiting]");
    this.#markdown = new IncrementalMarkdown(this.#content);
    this.#model = model;
    this.#onResize = onResize;
    this.#shownLength = shownLength;
    this.#isAccepted = Boolean(source.message);
    if (source.message) this.#arrival.discard();
    this.#stream = new AnswerStream(source, {
      text: () => {
        this.#arrival.text();
        this.#rendering.schedule();
      },
      state: (state) => this.#handleState(state),
      event: (event) => this.#handleEvent(event),
    });
    /** @type {(state: import("./answer.js").State) => void} */
    this.onstate = () => {};
    /** @type {(event: import("./events.js").Event) => void} */
    this.onstart = () => {};
  }

  /** Whether the server has accepted the prompt. */
  get isAccepted() {
    return this.#isAccepted;
  }

  /** Whether the connection is down. */
  get isLost() {
    return Boolean(this.#stream.message);
  }

  /** Show the answer until its end or `close`. */
  async follow() {
    this.element.setAttribute("aria-busy", "true");
    this.#timers[0] = setTimeout(() => this.#showMessage(this.#waitingMessage()), WAITING_AFTER_MS);
    this.#timers[1] = setInterval(() => this.#tick(), TICK_MS);
    await this.#stream.start();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#rendering.cancel();
    this.element.removeAttribute("aria-busy");
  }

  /** Disconnect. The server goes on writing the answer. */
  close() {
    this.#stream.close();
  }

  /** Whether the answer has ended and was held back on its way, by the server's times in the element. */
  get wasHeldBack() {
    const { firstMs, wholeMs } = this.element.dataset;
    return this.#arrival.wasHeldBack(Number(firstMs || NaN), Number(wholeMs || NaN));
  }

  #tick() {
    this.#arrival.tick();
    if (this.#stream.message) this.#showMessage(this.#stream.message);
  }

  #waitingMessage() {
    if (this.#shownLength || this.#stream.text) return "";
    return this.#isAccepted ? `Waiting for the first word of ${this.#model}` : "Waiting for the server";
  }

  /** @param {import("./events.js").Event} event */
  #handleEvent(event) {
    if (event.type !== "start") return;
    this.#isAccepted = true;
    this.#model = event.model || this.#model;
    this.onstart(event);
  }

  /** @param {import("./answer.js").State} state */
  #handleState(state) {
    if (state.phase === "reconnecting") this.#arrival.discard();
    if (state.phase === "ended") {
      this.#arrival.end();
      this.#render(true, Boolean(state.status));
    }
    this.#showMessage(state.message);
    this.onstate(state);
  }

  /** @param {string} sentence */
  #showMessage(sentence) {
    if (!this.#waiting || this.#waiting.textContent === sentence) return;
    this.#waiting.textContent = sentence;
    this.#onResize();
  }

  /** @param {boolean} isFinal @param {boolean} [isWhole] whether the text is the whole answer */
  #render(isFinal, isWhole = false) {
    const { text } = this.#stream;
    if (text.length < this.#shownLength && !(isWhole && text)) return;
    if (text && !this.#shownLength) this.#showMessage("");
    this.#shownLength = text.length;
    this.#markdown.show(text, { final: isFinal });
    this.#onResize();
  }
}
