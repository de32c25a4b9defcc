import { Refusal, pageAt } from "./api.js";

const QUIET_MS = 150; // after a key, before it is searched

/**
 * The list of chats: searched as one types, paged and refreshed in its place, from the same markup
 * that the server renders.
 */
export class ChatList {
  #list;
  #field;
  #address;
  #timer = 0;
  /** @type {AbortController | null} */
  #asking = null;

  /**
   * @param {HTMLElement} root `[data-list]`
   * @param {() => string} current the id of the chat that is open, or nothing
   */
  constructor(root, current) {
    this.current = current;
    this.#list = /** @type {HTMLElement} */ (root.querySelector("[data-listing]"));
    const form = /** @type {HTMLFormElement} */ (root.querySelector("[data-search]"));
    this.#field = /** @type {HTMLInputElement} */ (form.elements.namedItem("q"));
    this.#address = new URL(form.action);
    if (this.#field.value) this.#address.searchParams.set("q", this.#field.value);
    if (this.#list.dataset.archived) this.#address.searchParams.set("archived", "1");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    this.#field.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), QUIET_MS);
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#field.value) this.#field.blur();
    });
    this.#list.addEventListener("click", (event) => this.#follow(event));
  }

  /** Show what the server has now, in the same place. */
  async refresh() {
    await this.#show(this.#address);
  }

  #search() {
    const found = new URL(this.#address);
    const words = this.#field.value.trim();
    found.searchParams.delete("page");
    if (words) found.searchParams.set("q", words);
    else found.searchParams.delete("q");
    if (found.href !== this.#address.href) this.#show(found);
  }

  /** @param {MouseEvent} event */
  #follow(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest?.("a[data-in-list]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.#show(new URL(/** @type {HTMLAnchorElement} */ (link).href), true);
  }

  /** @param {URL} address @param {boolean} [moved] from the pointer or the key that was used */
  async #show(address, moved = false) {
    this.#asking?.abort();
    const mine = (this.#asking = new AbortController());
    this.#address = address;
    this.#list.setAttribute("aria-busy", "true");
    try {
      const page = await pageAt(address.href, mine.signal);
      const listing = page.querySelector("[data-listing]");
      if (!listing || mine.signal.aborted) return;
      const top = this.#list.scrollTop;
      const held = this.#held();
      this.#list.replaceChildren(...listing.childNodes);
      this.mark();
      this.#list.scrollTop = moved ? 0 : top;
      if (moved) this.#field.focus();
      else if (held) this.#hold(held);
    } catch (error) {
      if (mine.signal.aborted) return;
      if (!(error instanceof Refusal) && !(error instanceof TypeError)) throw error;
      this.#say("The list could not be loaded. Reload the page.");
    } finally {
      if (this.#asking === mine) this.#list.removeAttribute("aria-busy");
    }
  }

  /** Point out the open chat, which another page's list does not know of. */
  mark() {
    const open = this.current();
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.#list.querySelectorAll("[data-row]"))) {
      const link = row.querySelector(".chat-link");
      if (open && row.dataset.row === open) link?.setAttribute("aria-current", "page");
      else link?.removeAttribute("aria-current");
    }
  }

  /** Which row, and what in it, has the focus. */
  #held() {
    const on = document.activeElement;
    const row = /** @type {HTMLElement | null} */ (on?.closest("[data-row]") ?? null);
    if (!row || !this.#list.contains(row)) return null;
    return { id: row.dataset.row, what: on?.matches("[data-menu]") ? "[data-menu]" : ".chat-link" };
  }

  /** @param {{id: string | undefined, what: string}} held */
  #hold({ id, what }) {
    const row = this.#list.querySelector(`[data-row="${id}"]`);
    /** @type {HTMLElement | null | undefined} */ (row?.querySelector(what))?.focus();
  }

  /** @param {string} sentence */
  #say(sentence) {
    const line = document.createElement("p");
    Object.assign(line, { className: "listing-empty", textContent: sentence });
    this.#list.replaceChildren(line);
  }
}
