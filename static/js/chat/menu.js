import { toast } from "../shell/toast.js";
import { errorSentence, request } from "./api.js";
import { renameInPlace } from "./rename.js";

const GAP_PX = 4; // between a button and its menu

/**
 * The menu of a chat, shared by all rows of the list and the open chat. A row is an element with
 * `data-row` (the id), `data-title`, `data-pinned`, `data-archived` and a `[data-name]` in it.
 */
export class ChatMenu {
  #menu;
  #api;
  #onChange;
  /** @type {HTMLElement | null} */
  #row = null;

  /**
   * @param {HTMLElement} menu a popover
   * @param {string} api the URL of the chats in the API
   * @param {(id: string, what: "changed" | "gone") => unknown} onChange
   */
  constructor(menu, api, onChange) {
    this.#menu = menu;
    this.#api = api;
    this.#onChange = onChange;
    document.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest?.("[data-menu]");
      if (button) this.#open(/** @type {HTMLElement} */ (button));
    });
    menu.addEventListener("click", (event) => {
      const item = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button, a"));
      if (!item || !this.#row) return;
      menu.hidePopover();
      if (item.dataset.do) this.#run(item.dataset.do, this.#row);
    });
    menu.addEventListener("keydown", (event) => this.#moveFocus(event));
    menu.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === "open") return;
      document.querySelector("[data-menu][aria-expanded=true]")?.setAttribute("aria-expanded", "false");
    });
  }

  /** @param {HTMLElement} button */
  #open(button) {
    const row = /** @type {HTMLElement} */ (button.closest("[data-row]"));
    const { row: id, pinned, archived } = row.dataset;
    this.#row = row;
    for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (this.#menu.querySelectorAll("[data-export]"))) {
      link.href = `${this.#api}/${id}/export?as=${link.dataset.export}`;
    }
    for (const [action, isOn] of [["pin", pinned], ["archive", archived]]) {
      const item = /** @type {HTMLElement} */ (this.#menu.querySelector(`[data-do=${action}]`));
      item.textContent = (isOn ? item.dataset.on : item.dataset.off) ?? "";
    }
    button.setAttribute("aria-expanded", "true");
    button.focus(); // the focus returns here when the menu closes
    this.#menu.showPopover();
    const { top, bottom, right } = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    const fitsBelow = bottom + GAP_PX + height < innerHeight;
    this.#menu.style.top = `${Math.max(GAP_PX, fitsBelow ? bottom + GAP_PX : top - GAP_PX - height)}px`;
    this.#menu.style.left = `${Math.max(GAP_PX, Math.min(right - width, innerWidth - width - GAP_PX))}px`;
    this.#items()[0].focus();
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...this.#menu.querySelectorAll("button, a")]);
  }

  /** @param {KeyboardEvent} event */
  #moveFocus(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const items = this.#items();
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    items[(at + step + items.length) % items.length].focus();
  }

  /** @param {string} action @param {HTMLElement} row */
  async #run(action, row) {
    const { row: id = "", title = "", pinned, archived } = row.dataset;
    if (action === "rename") {
      const name = /** @type {HTMLElement} */ (row.querySelector("[data-name]"));
      const maxLength = Number(this.#menu.dataset.most);
      const save = (/** @type {string} */ newTitle) => this.#patch(id, { title: newTitle }, "It was not renamed.");
      renameInPlace(name, title, maxLength, save);
    } else if (action === "pin") await this.#patch(id, { pinned: !pinned }, "It was not pinned.");
    else if (action === "archive") await this.#patch(id, { archived: !archived }, "It was not archived.");
    else if (action === "delete") await this.#delete(id, title);
  }

  /** @param {string} id @param {object} change @param {string} lead of the error @returns {Promise<boolean>} */
  async #patch(id, change, lead) {
    try {
      await request(`${this.#api}/${id}`, "PATCH", change);
    } catch (error) {
      toast(errorSentence(error, lead), { error: true });
      return false;
    }
    await this.#onChange(id, "changed");
    return true;
  }

  /** @param {string} id @param {string} title */
  async #delete(id, title) {
    try {
      await request(`${this.#api}/${id}`, "DELETE");
    } catch (error) {
      return toast(errorSentence(error, "It was not deleted."), { error: true });
    }
    toast(`“${title || "New chat"}” is deleted.`, {
      about: `deleted ${id}`,
      action: { text: "Undo", run: () => this.#undo(id) },
    });
    await this.#onChange(id, "gone");
  }

  /** @param {string} id */
  async #undo(id) {
    try {
      await request(`${this.#api}/${id}/restore`, "POST");
    } catch (error) {
      return toast(errorSentence(error, "It could not be restored."), { error: true });
    }
    await this.#onChange(id, "changed");
  }
}
