import { toast } from "../shell/toast.js";
import { ask, tell } from "./api.js";
import { sourceOf, wordsOf } from "./thread.js";

const SAID_MS = 2000;

/**
 * What can be done with a message, by the buttons with `data-act` under it.
 * @typedef {{asked: (kind: "edit" | "again" | "continue", message: HTMLElement, prompt?: string) => void,
 *            busy: () => boolean, address: (message: string) => string, refresh: () => Promise<void>,
 *            say: (sentence: string) => void}} Hands what the conversation does with it
 */
export class Acts {
  #thread;
  #hands;

  /**
   * @param {HTMLElement} root
   * @param {import("./thread.js").Thread} thread
   * @param {Hands} hands
   */
  constructor(root, thread, hands) {
    this.#thread = thread;
    this.#hands = hands;
    root.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement | null} */ (
        /** @type {Element} */ (event.target).closest("[data-act]")
      );
      const message = /** @type {HTMLElement | null} */ (button?.closest("[data-message]") ?? null);
      if (button && message) this.#do(button, message);
    });
  }

  /**
   * Offer the words of a prompt to be changed.
   * @param {HTMLElement} message
   * @param {string} [changed] what was made of them before
   */
  edit(message, changed) {
    const words = wordsOf(message);
    const foot = /** @type {HTMLElement} */ (message.querySelector("[data-foot]"));
    if (words.hidden || this.#refuse()) return;
    const form = this.#thread.blank("edit");
    const field = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
    field.value = changed ?? words.textContent ?? "";
    words.hidden = foot.hidden = true;
    words.before(form);
    field.focus();
    const leave = () => {
      form.remove();
      words.hidden = foot.hidden = false;
      /** @type {HTMLElement | null} */ (foot.querySelector("[data-act=edit]"))?.focus();
    };
    const send = () => {
      const prompt = field.value.trim();
      if (!prompt || this.#refuse()) return;
      leave();
      this.#hands.asked("edit", message, prompt);
    };
    form.querySelector("[data-cancel]")?.addEventListener("click", leave);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") {
        event.preventDefault();
        leave();
      } else if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
  }

  /** @param {HTMLElement} button @param {HTMLElement} message */
  async #do(button, message) {
    const { act, to = "" } = button.dataset;
    if (act === "copy") return this.#copy(button, message);
    if (act === "up" || act === "down") return this.#rate(button, message);
    if (act === "edit") return this.edit(message);
    if (this.#refuse()) return;
    if (act === "again" || act === "continue") return this.#hands.asked(act, message);
    if (act !== "select" || !to) return;
    try {
      await ask(`${this.#hands.address(to)}/select`, "POST");
      await this.#hands.refresh();
    } catch (error) {
      toast(tell(error, "The other one could not be shown."), { error: true });
    }
  }

  /** Say so, where an answer has to end first. */
  #refuse() {
    const busy = this.#hands.busy();
    if (busy) toast("An answer is being written. Stop it first, or wait for its end.", { about: "busy" });
    return busy;
  }

  /** @param {HTMLElement} button @param {HTMLElement} message */
  async #copy(button, message) {
    const done = await navigator.clipboard?.writeText(sourceOf(message)).then(
      () => true,
      () => false,
    );
    if (!done) {
      getSelection()?.selectAllChildren(wordsOf(message));
      return toast("The answer is selected: press Ctrl C or ⌘ C.", { about: "copy" });
    }
    button.setAttribute("aria-pressed", "true");
    this.#hands.say("Copied.");
    setTimeout(() => button.removeAttribute("aria-pressed"), SAID_MS);
  }

  /** @param {HTMLElement} button @param {HTMLElement} message */
  async #rate(button, message) {
    const was = button.getAttribute("aria-pressed") === "true";
    const rating = was ? null : button.dataset.act === "up" ? 1 : -1;
    message.querySelector("[data-reason-form]")?.remove();
    if (!(await this.#put(message, { rating }))) return;
    for (const one of message.querySelectorAll("[data-act=up], [data-act=down]")) {
      one.setAttribute("aria-pressed", String(one === button && !was));
    }
    message.querySelector(".rated")?.remove();
    if (rating !== null) this.#askWhy(message, rating);
  }

  /** @param {HTMLElement} message @param {1 | -1} rating */
  #askWhy(message, rating) {
    const form = /** @type {HTMLFormElement} */ (this.#thread.blank("reason"));
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("reason"));
    message.append(form); // not in the foot, which is the server's
    form.scrollIntoView({ block: "nearest" });
    field.focus();
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!(await this.#put(message, { rating, reason: field.value.trim() }))) return;
      form.remove();
      await this.#hands.refresh();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      form.remove();
    });
  }

  /** @param {HTMLElement} message @param {object} body @returns {Promise<boolean>} */
  async #put(message, body) {
    try {
      await ask(`${this.#hands.address(message.dataset.message ?? "")}/rating`, "PUT", body);
      return true;
    } catch (error) {
      toast(tell(error, "The rating was not kept."), { error: true });
      return false;
    }
  }
}
