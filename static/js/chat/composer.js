import { Drafts } from "./drafts.js";

const MAX_ROWS = 8;

/**
 * The form for a prompt: a textarea and one button. Dispatches on the form "send" `{prompt, key}`,
 * "stop" and "edit-last"; makes no requests. `data-mode` is `send` or `stop`.
 * A sent prompt stays stored until `accept`: after a reload it is back in the field with the same
 * Idempotency-Key, so sending it again does not ask twice.
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
   *   new line, because on-screen keyboards have no Shift+Enter
   */
  constructor(form, { chat, storage = sessionStorageOrNull(), touch = isTouchDevice() }) {
    this.#form = form;
    this.#field = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
    this.#button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
    this.#drafts = new Drafts(chat, storage);
    this.#touch = touch;
    this.#field.value ||= this.#drafts.text;
    this.isRunning = false;
    this.#fitRows();
    this.#field.addEventListener("input", () => this.#onInput());
    this.#field.addEventListener("keydown", (event) => this.#onKey(event));
    form.addEventListener("submit", (event) => this.#onSubmit(event));
    form.ownerDocument.addEventListener("keydown", (event) => this.#onEscape(event));
  }

  /** Whether an answer is running: then the button stops it, and nothing can be sent. */
  get isRunning() {
    return this.#form.dataset.mode === "stop";
  }

  set isRunning(isRunning) {
    this.#form.dataset.mode = isRunning ? "stop" : "send";
    this.#button.textContent = isRunning ? "Stop" : "Send";
    this.#updateButton();
  }

  /** Set the id of a new chat. @param {string} chat */
  set chat(chat) {
    this.#drafts.move(chat);
  }

  /** The server has accepted the prompt. */
  accept() {
    this.#drafts.accept(this.#field.value);
  }

  /** The server has refused the prompt: put it back into the field, before newer text. */
  restore() {
    const { sent } = this.#drafts;
    if (!sent) return;
    const newer = this.#field.value;
    this.#setText(newer ? `${sent}\n\n${newer}` : sent);
  }

  /** @param {string} text */
  #setText(text) {
    this.#field.value = text;
    this.#onInput();
    this.#field.focus();
    this.#field.setSelectionRange(text.length, text.length);
  }

  #onInput() {
    this.#drafts.save(this.#field.value);
    this.#fitRows();
    this.#updateButton();
  }

  /** @param {SubmitEvent} event */
  #onSubmit(event) {
    event.preventDefault();
    if (this.isRunning) this.#dispatch("stop");
    else this.#send();
  }

  #send() {
    const prompt = this.#field.value.trim();
    if (!prompt || this.isRunning) return;
    const key = this.#drafts.send(prompt);
    this.#field.value = "";
    this.#fitRows();
    this.#updateButton();
    this.#dispatch("send", { prompt, key });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.isComposing || event.keyCode === 229) return; // the key belongs to an input method (IME)
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
  #onEscape(event) {
    if (event.key !== "Escape" || !this.isRunning || event.defaultPrevented || event.isComposing) return;
    if (this.#form.ownerDocument.querySelector("dialog[open], :popover-open")) return;
    event.preventDefault();
    this.#dispatch("stop");
  }

  /** Set the height to the number of lines, at most eight. Reads the layout once. */
  #fitRows() {
    const field = this.#field;
    field.rows = 1;
    if (!field.value) return;
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(field);
    const textHeight = field.scrollHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
    field.rows = Math.min(MAX_ROWS, Math.max(1, Math.round(textHeight / (parseFloat(lineHeight) || 20))));
  }

  #updateButton() {
    this.#button.disabled = !this.isRunning && !this.#field.value.trim();
  }

  /**
   * @param {string} name
   * @param {object} [detail]
   */
  #dispatch(name, detail) {
    this.#form.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function isTouchDevice() {
  return matchMedia("(hover: none) and (pointer: coarse)").matches;
}

/** A browser may block the storage; then even reading the variable throws. */
function sessionStorageOrNull() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
