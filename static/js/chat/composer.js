import { Drafts } from "./drafts.js";

const LINES = 8;

/**
 * The form a prompt is written in. Holds a textarea and one button, and dispatches on the form:
 * "send" with `{prompt, key}`, "stop", "edit-last". It asks no server. `data-mode` is `send` or `stop`.
 * What is sent stays in the draft until `accepted`: a page that dies in between has it again, with
 * the same key, so that sending it once more is no second question.
 */
export class Composer {
  #form;
  #field;
  #button;
  #drafts;
  #touch;

  /**
   * @param {HTMLFormElement} form
   * @param {{chat: string, storage?: Storage | null, touch?: boolean}} options `touch`: Enter is a
   *   new line, since the keys of a screen have no Shift+Enter
   */
  constructor(form, { chat, storage = sessionStorageOrNone(), touch = matchMedia("(hover: none) and (pointer: coarse)").matches }) {
    this.#form = form;
    this.#field = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
    this.#button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
    this.#drafts = new Drafts(chat, storage);
    this.#touch = touch;
    this.#field.value ||= this.#drafts.text;
    this.running = false;
    this.#fit();
    this.#field.addEventListener("input", () => this.#typed());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    form.addEventListener("submit", (event) => this.#submitted(event));
    form.ownerDocument.addEventListener("keydown", (event) => this.#escape(event));
  }

  /** Whether an answer runs: the button stops it, and nothing is sent meanwhile. */
  get running() {
    return this.#form.dataset.mode === "stop";
  }

  set running(running) {
    this.#form.dataset.mode = running ? "stop" : "send";
    this.#button.textContent = running ? "Stop" : "Send";
    this.#enable();
  }

  /** A new chat has an id now. @param {string} chat */
  set chat(chat) {
    this.#drafts.move(chat);
  }

  /** The prompt is the server's now. */
  accepted() {
    this.#drafts.settled(this.#field.value);
  }

  /** The prompt was not taken: it is back in the field, before what was written since. */
  refused() {
    const back = this.#drafts.sent;
    if (!back) return;
    const since = this.#field.value;
    this.write(since ? `${back}\n\n${since}` : back);
  }

  /** Put a text into the field, such as the last prompt to be edited. @param {string} text */
  write(text) {
    this.#field.value = text;
    this.#typed();
    this.#field.focus();
    this.#field.setSelectionRange(text.length, text.length);
  }

  #typed() {
    this.#drafts.write(this.#field.value);
    this.#fit();
    this.#enable();
  }

  /** @param {SubmitEvent} event */
  #submitted(event) {
    event.preventDefault();
    if (this.running) this.#dispatch("stop");
    else this.#send();
  }

  #send() {
    const prompt = this.#field.value.trim();
    if (!prompt || this.running) return;
    const key = this.#drafts.send(prompt);
    this.#field.value = "";
    this.#fit();
    this.#enable();
    this.#dispatch("send", { prompt, key });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || event.keyCode === 229) return; // the keys belong to an input method
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && (command || !(event.shiftKey || event.altKey || this.#touch))) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && !this.#field.value && !(command || event.shiftKey || event.altKey)) {
      event.preventDefault();
      this.#dispatch("edit-last");
    }
  }

  /** @param {KeyboardEvent} event */
  #escape(event) {
    if (event.key !== "Escape" || !this.running || event.defaultPrevented || event.isComposing) return;
    if (this.#form.ownerDocument.querySelector("dialog[open], :popover-open")) return;
    event.preventDefault();
    this.#dispatch("stop");
  }

  /** As many lines as are written, up to eight: one read of the layout, no style of its own. */
  #fit() {
    const field = this.#field;
    field.rows = 1;
    if (!field.value) return;
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(field);
    const text = field.scrollHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
    field.rows = Math.min(LINES, Math.max(1, Math.round(text / (parseFloat(lineHeight) || 20))));
  }

  #enable() {
    this.#button.disabled = !this.running && !this.#field.value.trim();
  }

  /**
   * @param {string} name
   * @param {object} [detail]
   */
  #dispatch(name, detail) {
    this.#form.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** A browser may forbid it altogether. */
function sessionStorageOrNone() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
