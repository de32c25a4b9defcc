import { newIdempotencyKey } from "./api.js";

const MAX_LENGTH = 64 * 1024; // characters; a longer draft is not stored

/** @typedef {{text: string, key: string}} Stored a prompt and its Idempotency-Key; a draft has none */

/**
 * The draft of one chat in one tab, and the prompt that is sent but not yet accepted. Both survive a
 * reload of the page.
 */
export class Drafts {
  #prefix;
  #storage;
  /** @type {Stored | null} */
  #sent;

  /**
   * @param {string} chat
   * @param {Storage | null} storage
   */
  constructor(chat, storage) {
    this.#prefix = `chat:${chat}`;
    this.#storage = storage;
    this.#sent = this.#load("sent");
  }

  /** The text to start with: the draft, else a sent prompt that may not have arrived. */
  get text() {
    return this.#load("draft")?.text || this.sent;
  }

  /** The prompt that is sent but not yet accepted; else empty. */
  get sent() {
    return this.#sent?.text ?? "";
  }

  /** @param {string} text */
  save(text) {
    this.#store("draft", text ? { text, key: "" } : null);
  }

  /**
   * Turn the draft into a sent prompt.
   * @param {string} text
   * @returns {string} its Idempotency-Key; the former one if the same prompt is sent again
   */
  send(text) {
    const key = this.#sent?.text === text ? this.#sent.key : newIdempotencyKey();
    this.#sent = { text, key };
    this.#store("sent", this.#sent);
    this.save("");
    return key;
  }

  /** Store everything under another chat: a new chat has got its id. @param {string} chat */
  move(chat) {
    const draft = this.#load("draft");
    const sent = this.#sent;
    this.#store("draft", null);
    this.#store("sent", null);
    this.#prefix = `chat:${chat}`;
    this.#store("draft", draft);
    this.#store("sent", sent);
  }

  /** The sent prompt was accepted. @param {string} draft the text that was typed since */
  accept(draft) {
    this.#sent = null;
    this.#store("sent", null);
    this.save(draft);
  }

  /** @param {"draft" | "sent"} name @returns {Stored | null} */
  #load(name) {
    try {
      const stored = JSON.parse(this.#storage?.getItem(`${this.#prefix}:${name}`) ?? "null");
      return typeof stored?.text === "string" ? stored : null;
    } catch {
      return null;
    }
  }

  /**
   * @param {"draft" | "sent"} name
   * @param {Stored | null} value
   */
  #store(name, value) {
    const key = `${this.#prefix}:${name}`;
    try {
      if (value && value.text.length <= MAX_LENGTH) this.#storage?.setItem(key, JSON.stringify(value));
      else this.#storage?.removeItem(key);
    } catch {
      // Storage is full or blocked: the text is still in the field.
    }
  }
}
