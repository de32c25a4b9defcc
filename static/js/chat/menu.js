import { toast } from "../shell/toast.js";
import { ask, tell } from "./api.js";
import { renameIn } from "./rename.js";

const GAP = 4; // px between a button and its menu

/**
 * What can be done with a chat, in one menu for all rows and for the open chat. A row is an element
 * with `data-row` (the id), `data-title`, `data-pinned`, `data-archived` and a `[data-name]` in it.
 */
export class ChatMenu {
  #menu;
  #api;
  #changed;
  /** @type {HTMLElement | null} */
  #row = null;

  /**
   * @param {HTMLElement} menu a popover
   * @param {string} api the address of the API's chats
   * @param {(id: string, what: "changed" | "gone") => unknown} changed
   */
  constructor(menu, api, changed) {
    this.#menu = menu;
    this.#api = api;
    this.#changed = changed;
    document.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest?.("[data-menu]");
      if (button) this.#open(/** @type {HTMLElement} */ (button));
    });
    menu.addEventListener("click", (event) => {
      const item = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button, a"));
      if (!item || !this.#row) return;
      menu.hidePopover();
      if (item.dataset.do) this.#do(item.dataset.do, this.#row);
    });
    menu.addEventListener("keydown", (event) => this.#step(event));
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
    for (const [what, on] of [["pin", pinned], ["archive", archived]]) {
      const item = /** @type {HTMLElement} */ (this.#menu.querySelector(`[data-do=${what}]`));
      item.textContent = (on ? item.dataset.on : item.dataset.off) ?? "";
    }
    button.setAttribute("aria-expanded", "true");
    button.focus(); // where the focus goes back to
    this.#menu.showPopover();
    const { top, bottom, right } = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    const below = bottom + GAP + height < innerHeight;
    this.#menu.style.top = `${Math.max(GAP, below ? bottom + GAP : top - GAP - height)}px`;
    this.#menu.style.left = `${Math.max(GAP, Math.min(right - width, innerWidth - width - GAP))}px`;
    this.#items()[0].focus();
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...this.#menu.querySelectorAll("button, a")]);
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const items = this.#items();
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    items[(at + step + items.length) % items.length].focus();
  }

  /** @param {string} what @param {HTMLElement} row */
  async #do(what, row) {
    const { row: id = "", title = "", pinned, archived } = row.dataset;
    if (what === "rename") {
      const name = /** @type {HTMLElement} */ (row.querySelector("[data-name]"));
      const most = Number(this.#menu.dataset.most);
      renameIn(name, title, most, (wanted) => this.#patch(id, { title: wanted }, "It was not renamed."));
    } else if (what === "pin") await this.#patch(id, { pinned: !pinned }, "It was not pinned.");
    else if (what === "archive") await this.#patch(id, { archived: !archived }, "It was not archived.");
    else if (what === "delete") await this.#delete(id, title);
  }

  /** @param {string} id @param {object} change @param {string} lead */
  async #patch(id, change, lead) {
    try {
      await ask(`${this.#api}/${id}`, "PATCH", change);
    } catch (error) {
      toast(tell(error, lead), { error: true });
      return false;
    }
    await this.#changed(id, "changed");
    return true;
  }

  /** @param {string} id @param {string} title */
  async #delete(id, title) {
    try {
      await ask(`${this.#api}/${id}`, "DELETE");
    } catch (error) {
      return toast(tell(error, "It was not deleted."), { error: true });
    }
    toast(`“${title || "New chat"}” is deleted.`, {
      about: `deleted ${id}`,
      action: { text: "Undo", run: () => this.#undo(id) },
    });
    await this.#changed(id, "gone");
  }

  /** @param {string} id */
  async #undo(id) {
    try {
      await ask(`${this.#api}/${id}/restore`, "POST");
    } catch (error) {
      return toast(tell(error, "It could not be brought back."), { error: true });
    }
    await this.#changed(id, "changed");
  }
}
