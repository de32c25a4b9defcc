import { ApiError, fetchPage } from "./api.js";

const DEBOUNCE_MS = 150; // from the last key to the search

/**
 * The list of chats: search while typing, paging and refresh. Its markup is taken from pages that the
 * server renders.
 */
export class ChatList {
  #list;
  #field;
  #url;
  #timer = 0;
  /** @type {AbortController | null} */
  #request = null;

  /**
   * @param {HTMLElement} root `[data-list]`
   * @param {() => string} current the id of the open chat; empty if there is none
   */
  constructor(root, current) {
    this.current = current;
    this.#list = /** @type {HTMLElement} */ (root.querySelector("[data-listing]"));
    const form = /** @type {HTMLFormElement} */ (root.querySelector("[data-search]"));
    this.#field = /** @type {HTMLInputElement} */ (form.elements.namedItem("q"));
    this.#url = new URL(form.action);
    if (this.#field.value) this.#url.searchParams.set("q", this.#field.value);
    if (this.#list.dataset.archived) this.#url.searchParams.set("archived", "1");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    this.#field.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), DEBOUNCE_MS);
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#field.value) this.#field.blur();
    });
    this.#list.addEventListener("click", (event) => this.#onClick(event));
  }

  /** Load the list again, without changing the scroll position. */
  async refresh() {
    await this.#load(this.#url);
  }

  #search() {
    const url = new URL(this.#url);
    const query = this.#field.value.trim();
    url.searchParams.delete("page");
    if (query) url.searchParams.set("q", query);
    else url.searchParams.delete("q");
    if (url.href !== this.#url.href) this.#load(url);
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest?.("a[data-in-list]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.#load(new URL(/** @type {HTMLAnchorElement} */ (link).href), true);
  }

  /** @param {URL} url @param {boolean} [isOtherPage] scroll to the top and focus the search */
  async #load(url, isOtherPage = false) {
    this.#request?.abort();
    const controller = (this.#request = new AbortController());
    this.#url = url;
    this.#list.setAttribute("aria-busy", "true");
    try {
      const page = await fetchPage(url.href, controller.signal);
      const listing = page.querySelector("[data-listing]");
      if (!listing || controller.signal.aborted) return;
      const top = this.#list.scrollTop;
      const focus = this.#savedFocus();
      this.#list.replaceChildren(...listing.childNodes);
      this.markCurrent();
      this.#list.scrollTop = isOtherPage ? 0 : top;
      if (isOtherPage) this.#field.focus();
      else if (focus) this.#restoreFocus(focus);
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof ApiError) && !(error instanceof TypeError)) throw error;
      this.#showError("The list could not be loaded. Reload the page.");
    } finally {
      if (this.#request === controller) this.#list.removeAttribute("aria-busy");
    }
  }

  /** Mark the open chat; a fetched list may come from another page. */
  markCurrent() {
    const open = this.current();
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.#list.querySelectorAll("[data-row]"))) {
      const link = row.querySelector(".chat-link");
      if (open && row.dataset.row === open) link?.setAttribute("aria-current", "page");
      else link?.removeAttribute("aria-current");
    }
  }

  /** The row that has the focus, and the selector of the focused element in it. */
  #savedFocus() {
    const element = document.activeElement;
    const row = /** @type {HTMLElement | null} */ (element?.closest("[data-row]") ?? null);
    if (!row || !this.#list.contains(row)) return null;
    return { id: row.dataset.row, selector: element?.matches("[data-menu]") ? "[data-menu]" : ".chat-link" };
  }

  /** @param {{id: string | undefined, selector: string}} focus */
  #restoreFocus({ id, selector }) {
    const row = this.#list.querySelector(`[data-row="${id}"]`);
    /** @type {HTMLElement | null | undefined} */ (row?.querySelector(selector))?.focus();
  }

  /** @param {string} sentence */
  #showError(sentence) {
    const line = document.createElement("p");
    Object.assign(line, { className: "listing-empty", textContent: sentence });
    this.#list.replaceChildren(line);
  }
}
