/** The header of the open chat: its name, "archived", its menu button. */
export class ChatHeader {
  #root;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /** Copy what the server renders now. @param {Element | null} fresh the same element of a fetched page */
  update(fresh) {
    if (!fresh) return;
    const find = (/** @type {string} */ selector) =>
      /** @type {HTMLElement | null} */ (this.#root.querySelector(selector));
    const { row, title, pinned, archived } = /** @type {HTMLElement} */ (fresh).dataset;
    Object.assign(this.#root.dataset, { row, title, pinned, archived });
    const name = find("[data-name]");
    const text = fresh.querySelector("[data-name]")?.textContent ?? "";
    if (name) name.textContent = text;
    const archivedMark = find("[data-archived-mark]");
    if (archivedMark) archivedMark.hidden = !archived;
    const menu = find("[data-menu]");
    if (menu) menu.hidden = false;
    if (text) document.title = `${text} · Sideline`;
  }
}
