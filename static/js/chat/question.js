import { headersFor } from "./api.js";
import { madeChat, makeChat } from "./new-chat.js";

/**
 * One thing that is asked, as often as it takes: the same key each time, so never twice. `kind` is
 * a new prompt, other words for an earlier one, another answer, or the rest of one.
 * @typedef {{api: string, chat: string, organization: string}} Where without a `chat` it is made
 * @typedef {{kind: "send" | "edit" | "again" | "continue", message?: string, prompt?: string, key?: string}} What
 */
export class Question {
  #where;
  #what;
  #key;
  /** @type {Response | undefined} the server's answer, once there is one */
  response;

  /** @param {Where} where @param {What} what */
  constructor(where, what) {
    this.#where = where;
    this.#what = what;
    this.#key = what.key ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  }

  /** The chat that is asked; nothing as long as it is not made. */
  get chat() {
    return this.#where.chat;
  }

  /** Ask. Rejects where there is no connection. @returns {Promise<Response>} */
  async send() {
    this.response = undefined;
    this.response = (await this.#make()) ?? (await this.#post());
    return this.response;
  }

  /** Make the chat where there is none. @returns {Promise<Response | undefined>} a refusal */
  async #make() {
    const { api, chat, organization } = this.#where;
    if (chat) return;
    const made = madeChat(this.#key) || (await makeChat(api, organization, this.#key));
    if (typeof made !== "string") return made;
    this.#where.chat = made;
  }

  #post() {
    const { kind, message, prompt } = this.#what;
    const messages = `${this.#where.api}/${this.#where.chat}/messages`;
    return fetch(kind === "send" ? messages : `${messages}/${message}/${kind}`, {
      method: "POST",
      headers: { ...headersFor("POST"), Accept: "text/event-stream", "Idempotency-Key": this.#key },
      body: JSON.stringify(prompt === undefined ? {} : { prompt }),
    });
  }
}
