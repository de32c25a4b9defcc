const MOST = 64 * 1024; // characters of a draft that outlive the page; more stay in the field alone

/** @typedef {{text: string, key: string}} Sent a prompt on its way, and its Idempotency-Key */

/** What is written and not yet the server's, of one chat in one tab; it outlives a reload. */
export class Drafts {
  #name;
  #storage;
  /** @type {Sent | null} */
  #sent;

  /**
   * @param {string} chat
   * @param {Storage | null} storage
   */
  constructor(chat, storage) {
    this.#name = `chat:${chat}`;
    this.#storage = storage;
    this.#sent = this.#read("sent");
  }

  /** What to begin with: the draft, or else what was sent and may never have arrived. */
  get text() {
    return this.#read("draft")?.text || this.sent;
  }

  /** The prompt on its way, or nothing. */
  get sent() {
    return this.#sent?.text ?? "";
  }

  /** @param {string} text */
  write(text) {
    this.#store("draft", text ? { text, key: "" } : null);
  }

  /**
   * @param {string} text
   * @returns {string} the key to send it with: the former one if it is the same prompt again
   */
  send(text) {
    const key = this.#sent?.text === text ? this.#sent.key : newKey();
    this.#sent = { text, key };
    this.#store("sent", this.#sent);
    this.write("");
    return key;
  }

  /** They are those of another chat from now on: a new one has its id. @param {string} chat */
  move(chat) {
    const draft = this.#read("draft");
    const sent = this.#sent;
    this.#store("draft", null);
    this.#store("sent", null);
    this.#name = `chat:${chat}`;
    this.#store("draft", draft);
    this.#store("sent", sent);
  }

  /** What was sent has arrived. @param {string} draft what is written since */
  settled(draft) {
    this.#sent = null;
    this.#store("sent", null);
    this.write(draft);
  }

  /** @param {string} what @returns {Sent | null} */
  #read(what) {
    try {
      const kept = JSON.parse(this.#storage?.getItem(`${this.#name}:${what}`) ?? "null");
      return typeof kept?.text === "string" ? kept : null;
    } catch {
      return null;
    }
  }

  /**
   * @param {string} what
   * @param {Sent | null} kept
   */
  #store(what, kept) {
    const name = `${this.#name}:${what}`;
    try {
      if (kept && kept.text.length <= MOST) this.#storage?.setItem(name, JSON.stringify(kept));
      else this.#storage?.removeItem(name);
    } catch {
      // full or forbidden: it is in the field, which is what counts
    }
  }
}

/** `crypto.randomUUID` is missing on plain HTTP. */
export function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
