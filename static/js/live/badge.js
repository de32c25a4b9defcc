/** The badge of a camera: an icon and a text that say whether its picture is live. */
export class StatusBadge {
  #icon;
  #text;
  #current = "";

  /** @param {HTMLElement} element with `[data-mark]` and `[data-badge-text]` in it */
  constructor(element) {
    this.element = element;
    this.#icon = element.querySelector("[data-mark]");
    this.#text = element.querySelector("[data-badge-text]");
  }

  /** @param {import("./freshness.js").View} view */
  show(view) {
    const text = view.state === "live" ? `Live ${[view.age, view.interval].filter(Boolean).join(", ")}` : view.label;
    if (this.#current === text + view.reason) return;
    this.#current = text + view.reason;
    this.element.dataset.state = view.state;
    if (this.#icon) this.#icon.setAttribute("data-mark", view.state);
    if (this.#text) this.#text.textContent = text;
  }
}
