/** The name of the open chat, and how it is kept. */
export class Head {
  #root;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /** As the server shows it now. @param {Element | null} now the same element of its page */
  show(now) {
    if (!now) return;
    const find = (/** @type {string} */ what) => /** @type {HTMLElement | null} */ (this.#root.querySelector(what));
    const { row, title, pinned, archived } = /** @type {HTMLElement} */ (now).dataset;
    Object.assign(this.#root.dataset, { row, title, pinned, archived });
    const name = find("[data-name]");
    const words = now.querySelector("[data-name]")?.textContent ?? "";
    if (name) name.textContent = words;
    const mark = find("[data-archived-mark]");
    if (mark) mark.hidden = !archived;
    const menu = find("[data-menu]");
    if (menu) menu.hidden = false;
    if (words) document.title = `${words} · Sideline`;
  }
}
