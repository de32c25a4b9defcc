import { moved, sequence } from "./arrangement.js";
import { csrfToken } from "../shell/requests.js";
import { toast } from "../shell/toast.js";

const DELAY_MS = 400; // several steps with the keyboard are saved together
const TIMEOUT_MS = 10_000;

/** @typedef {{order: string[], liveFirst: boolean}} Layout */

/**
 * Keeps tiles in the person's order, on the page and on the server. One request runs at a time, with
 * the newest layout; where it fails, the last saved layout comes back.
 */
export class TileOrder {
  #list;
  #isLive;
  /** @type {Layout} */
  #layout;
  /** @type {Layout} */
  #saved;
  #timer = 0;
  #isSaving = false;

  /**
   * @param {HTMLElement} list with `data-order`, `data-live-first` and `data-save` (a URL); its children
   *   have `data-tile`, the camera's id
   * @param {(camera: string) => boolean} isLive
   */
  constructor(list, isLive) {
    this.#list = list;
    this.#isLive = isLive;
    this.#layout = {
      order: (list.dataset.order ?? "").split(",").filter(Boolean),
      liveFirst: list.dataset.liveFirst === "1",
    };
    this.#saved = this.#layout;
  }

  get liveFirst() {
    return this.#layout.liveFirst;
  }

  set liveFirst(on) {
    this.#layout = { ...this.#layout, liveFirst: on };
    this.show();
    this.save();
  }

  /** The cameras of the visible tiles, as they stand. */
  get shown() {
    return this.#items()
      .filter((item) => !item.hidden)
      .map((item) => item.dataset.tile ?? "");
  }

  /**
   * Put a camera beside another one, without saving. With live cameras first, it stays in its part.
   * @param {string} camera
   * @param {string} target
   * @param {import("./arrangement.js").Side} side
   * @returns {boolean} whether the tile moved
   */
  move(camera, target, side) {
    if (this.liveFirst && this.#isLive(camera) !== this.#isLive(target)) return false;
    const order = moved(this.#layout.order, camera, target, side);
    if (order === this.#layout.order) return false;
    this.#layout = { ...this.#layout, order };
    this.show(camera);
    return true;
  }

  get layout() {
    return this.#layout;
  }

  /** Go back to an earlier layout. @param {Layout} layout */
  restore(layout) {
    this.#layout = layout;
    this.show();
  }

  /**
   * Put the tiles where they belong; no tile is touched that stands there already.
   * @param {string} [fixed] the camera whose tile is not taken out of the document: that under the
   *   pointer, else that with the focus
   */
  show(fixed) {
    const items = new Map(this.#items().map((item) => [item.dataset.tile ?? "", item]));
    const { order, liveFirst } = this.#layout;
    const wanted = sequence(order, this.#isLive, liveFirst).flatMap((camera) => items.get(camera) ?? []);
    const focused = wanted.findIndex((item) => item.contains(document.activeElement));
    const start = Math.max(0, fixed ? wanted.findIndex((item) => item.dataset.tile === fixed) : focused);
    for (let n = start - 1; n >= 0; n -= 1) {
      if (wanted[n + 1].previousElementSibling !== wanted[n]) this.#place(wanted[n], wanted[n + 1]);
    }
    for (let n = start + 1; n < wanted.length; n += 1) {
      const after = wanted[n - 1].nextElementSibling;
      if (after !== wanted[n]) this.#place(wanted[n], after);
    }
  }

  /** @param {Element} item @param {Element | null} before */
  #place(item, before) {
    const list = /** @type {any} */ (this.#list);
    if (list.moveBefore) list.moveBefore(item, before); // keeps animations and focus
    else list.insertBefore(item, before);
  }

  /** Save soon. */
  save() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), DELAY_MS);
  }

  async #send() {
    const layout = this.#layout;
    if (this.#isSaving || layout === this.#saved) return;
    this.#isSaving = true;
    const refusal = await post(this.#list.dataset.save ?? "", layout);
    this.#isSaving = false;
    if (refusal) return this.#fail(refusal);
    this.#saved = layout;
    if (layout !== this.#layout) this.save();
  }

  /** @param {string} refusal */
  #fail(refusal) {
    this.restore(this.#saved);
    toast(`${refusal} The cameras stand as before.`, { about: "order", error: true });
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...this.#list.children]);
  }
}

/**
 * @param {string} url
 * @param {Layout} layout
 * @returns {Promise<string>} why it was not saved; empty if it was
 */
async function post(url, { order, liveFirst }) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams({ order: order.join(","), live_first: liveFirst ? "1" : "0" }),
      redirect: "manual", // to the sign-in
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.type === "opaqueredirect") return "You are signed out, so the order was not saved.";
    return response.ok ? "" : `The order was not saved: the server answered ${response.status}.`;
  } catch {
    return "The order was not saved: the server cannot be reached.";
  }
}
