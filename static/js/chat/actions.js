import { copyText } from "../shell/copy.js";
import { toast } from "../shell/toast.js";
import { errorSentence, request } from "./api.js";
import { contentOf, sourceOf } from "./thread.js";

const FEEDBACK_MS = 2000;

/**
 * What the actions need from the conversation.
 * @typedef {{generate: (kind: "edit" | "again" | "continue", message: HTMLElement, prompt?: string) => void,
 *            isBusy: () => boolean, messageUrl: (message: string) => string, refresh: () => Promise<void>,
 *            announce: (sentence: string) => void}} Host
 */

/** The actions of messages: the buttons with `data-act` under them. */
export class MessageActions {
  #thread;
  #host;

  /**
   * @param {HTMLElement} root
   * @param {import("./thread.js").Thread} thread
   * @param {Host} host
   */
  constructor(root, thread, host) {
    this.#thread = thread;
    this.#host = host;
    root.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement | null} */ (
        /** @type {Element} */ (event.target).closest("[data-act]")
      );
      const message = /** @type {HTMLElement | null} */ (button?.closest("[data-message]") ?? null);
      if (button && message) this.#run(button, message);
    });
  }

  /**
   * Replace a prompt by a form in which it can be edited and sent again.
   * @param {HTMLElement} message
   * @param {string} [draft] an earlier edit, instead of the prompt itself
   */
  edit(message, draft) {
    const content = contentOf(message);
    const foot = /** @type {HTMLElement} */ (message.querySelector("[data-foot]"));
    if (content.hidden || this.#refuseWhileBusy()) return;
    const form = this.#thread.cloneTemplate("edit");
    const field = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
    field.value = draft ?? content.textContent ?? "";
    content.hidden = foot.hidden = true;
    content.before(form);
    field.focus();
    const close = () => {
      form.remove();
      content.hidden = foot.hidden = false;
      /** @type {HTMLElement | null} */ (foot.querySelector("[data-act=edit]"))?.focus();
    };
    const send = () => {
      const prompt = field.value.trim();
      if (!prompt || this.#refuseWhileBusy()) return;
      close();
      this.#host.generate("edit", message, prompt);
    };
    form.querySelector("[data-cancel]")?.addEventListener("click", close);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") {
        event.preventDefault();
        close();
      } else if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
  }

  /** @param {HTMLElement} button @param {HTMLElement} message */
  async #run(button, message) {
    const { act, to = "" } = button.dataset;
    if (act === "copy") return this.#copy(button, message);
    if (act === "up" || act === "down") return this.#rate(button, message);
    if (act === "edit") return this.edit(message);
    if (this.#refuseWhileBusy()) return;
    if (act === "again" || act === "continue") return this.#host.generate(act, message);
    if (act !== "select" || !to) return;
    try {
      await request(`${this.#host.messageUrl(to)}/select`, "POST");
      await this.#host.refresh();
    } catch (error) {
      toast(errorSentence(error, "The other version could not be shown."), { error: true });
    }
  }

  /** Show a toast and return true while an answer is being written. */
  #refuseWhileBusy() {
    const isBusy = this.#host.isBusy();
    if (isBusy) toast("An answer is being written. Stop it first, or wait for its end.", { about: "busy" });
    return isBusy;
  }

  /** @param {HTMLElement} button @param {HTMLElement} message */
  async #copy(button, message) {
    if (!(await copyText(sourceOf(message)))) {
      getSelection()?.selectAllChildren(contentOf(message));
      return toast("The answer is selected: press Ctrl C or ⌘ C.", { about: "copy" });
    }
    button.setAttribute("aria-pressed", "true");
    this.#host.announce("Copied.");
    setTimeout(() => button.removeAttribute("aria-pressed"), FEEDBACK_MS);
  }

  /** @param {HTMLElement} button @param {HTMLElement} message */
  async #rate(button, message) {
    const wasPressed = button.getAttribute("aria-pressed") === "true";
    const rating = wasPressed ? null : button.dataset.act === "up" ? 1 : -1;
    message.querySelector("[data-reason-form]")?.remove();
    if (!(await this.#saveRating(message, { rating }))) return;
    for (const other of message.querySelectorAll("[data-act=up], [data-act=down]")) {
      other.setAttribute("aria-pressed", String(other === button && !wasPressed));
    }
    message.querySelector(".rated")?.remove();
    if (rating !== null) this.#askReason(message, rating);
  }

  /** @param {HTMLElement} message @param {1 | -1} rating */
  #askReason(message, rating) {
    const form = /** @type {HTMLFormElement} */ (this.#thread.cloneTemplate("reason"));
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("reason"));
    message.append(form); // not in the foot: a refresh replaces that
    form.scrollIntoView({ block: "nearest" });
    field.focus();
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!(await this.#saveRating(message, { rating, reason: field.value.trim() }))) return;
      form.remove();
      await this.#host.refresh();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      form.remove();
    });
  }

  /** @param {HTMLElement} message @param {object} body @returns {Promise<boolean>} false after an error */
  async #saveRating(message, body) {
    try {
      await request(`${this.#host.messageUrl(message.dataset.message ?? "")}/rating`, "PUT", body);
      return true;
    } catch (error) {
      toast(errorSentence(error, "The rating was not saved."), { error: true });
      return false;
    }
  }
}
