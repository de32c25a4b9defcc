import { AnswerStream } from "./answer.js";
import { IncrementalMarkdown } from "./markdown.js";
import { Throttle } from "./throttle.js";

const PATIENCE_MS = 3000; // before the pulse says what it waits for
const TICK_MS = 1000; // while it counts down to the next try

/**
 * An answer as it comes, in the element of its message. What is shown never becomes shorter while
 * it is told again from the start: a replay is shown from where it goes beyond.
 */
export class Turn {
  #words;
  #waiting;
  #markdown;
  #model;
  #grown;
  #shown;
  #begun;
  #stream;
  #flush = new Throttle(() => this.#paint(false));
  #timers = [0, 0];

  /**
   * @param {HTMLElement} element an assistant's message, with its pulse
   * @param {import("./answer.js").Source} source
   * @param {{grown: () => void, model?: string, shown?: number}} options `grown` is called after
   *   each change of its size; `shown` is how many characters of the answer are in it already
   */
  constructor(element, source, { grown, model = "the model", shown = 0 }) {
    this.element = element;
    this.#words = /** @type {HTMLElement} */ (element.querySelector("[data-words]"));
    this.#waiting = element.querySelector("[data-waiting]");
    this.#markdown = new IncrementalMarkdown(this.#words);
    this.#model = model;
    this.#grown = grown;
    this.#shown = shown;
    this.#begun = Boolean(source.message);
    this.#stream = new AnswerStream(source, {
      text: () => this.#flush.ask(),
      state: (state) => this.#heard(state),
      event: (event) => this.#noted(event),
    });
    /** @type {(state: import("./answer.js").State) => void} */
    this.onstate = () => {};
    /** @type {(event: import("./events.js").Event) => void} */
    this.onstart = () => {};
  }

  /** Whether the server has taken the question. */
  get begun() {
    return this.#begun;
  }

  /** Whether there is no connection to the server now. */
  get lost() {
    return Boolean(this.#stream.words);
  }

  /** Follow the answer to its end. */
  async follow() {
    this.element.setAttribute("aria-busy", "true");
    this.#timers[0] = setTimeout(() => this.#say(this.#waitsFor()), PATIENCE_MS);
    this.#timers[1] = setInterval(() => this.#stream.words && this.#say(this.#stream.words), TICK_MS);
    await this.#stream.start();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#flush.cancel();
    this.element.removeAttribute("aria-busy");
  }

  /** Follow it no longer; it goes on. */
  close() {
    this.#stream.close();
  }

  #waitsFor() {
    if (this.#shown || this.#stream.text) return "";
    return this.#begun ? `Waiting for the first word of ${this.#model}` : "Waiting for the server";
  }

  /** @param {import("./events.js").Event} event */
  #noted(event) {
    if (event.type !== "start") return;
    this.#begun = true;
    this.#model = event.model || this.#model;
    this.onstart(event);
  }

  /** @param {import("./answer.js").State} state */
  #heard(state) {
    if (state.phase === "over") this.#paint(true, Boolean(state.status));
    this.#say(state.words);
    this.onstate(state);
  }

  /** @param {string} sentence */
  #say(sentence) {
    if (!this.#waiting || this.#waiting.textContent === sentence) return;
    this.#waiting.textContent = sentence;
    this.#grown();
  }

  /** @param {boolean} final @param {boolean} [whole] whether it is all that there is */
  #paint(final, whole = false) {
    const { text } = this.#stream;
    if (text.length < this.#shown && !(whole && text)) return;
    if (text && !this.#shown) this.#say("");
    this.#shown = text.length;
    this.#markdown.show(text, { final });
    this.#grown();
  }
}
