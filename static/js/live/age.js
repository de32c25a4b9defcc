/** The badge over or beside a picture: a mark, a word, an age. */
export class AgeBadge {
  #mark;
  #text;
  #said = "";

  /** @param {HTMLElement} element with `[data-mark]` and `[data-badge-text]` in it */
  constructor(element) {
    this.element = element;
    this.#mark = element.querySelector("[data-mark]");
    this.#text = element.querySelector("[data-badge-text]");
  }

  /** @param {import("./freshness.js").View} view */
  show(view) {
    const text = view.state === "live" ? `Live ${view.age}` : view.words;
    if (this.#said === text + view.reason) return;
    this.#said = text + view.reason;
    this.element.dataset.state = view.state;
    if (this.#mark) this.#mark.setAttribute("data-mark", view.state);
    if (this.#text) this.#text.textContent = text;
  }
}
