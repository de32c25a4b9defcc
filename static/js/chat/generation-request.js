import { newIdempotencyKey, requestHeaders } from "./api.js";

const STORAGE_KEY = "chat:made"; // sessionStorage: {key, chat} of the chat created last

/**
 * @typedef {{api: string, chat: string, organization: string}} Target without a `chat`, one is created
 * @typedef {{kind: "send" | "edit" | "again" | "continue", message?: string, prompt?: string,
 *            key?: string}} Generation
 *   `send` a new prompt, `edit` an earlier one, answer `again`, or `continue` an answer
 */

/** Requests one answer. Can be sent again: the Idempotency-Key stays, so the server answers once. */
export class GenerationRequest {
  #target;
  #generation;
  #key;
  /** @type {Response | undefined} the newest response */
  response;

  /** @param {Target} target @param {Generation} generation */
  constructor(target, generation) {
    this.#target = target;
    this.#generation = generation;
    this.#key = generation.key ?? newIdempotencyKey();
  }

  /** The id of the chat; empty until it is created. */
  get chat() {
    return this.#target.chat;
  }

  /** Create the chat if needed, and post the request. Rejects without a connection. @returns {Promise<Response>} */
  async send() {
    this.response = undefined;
    this.response = (await this.#ensureChat()) ?? (await this.#post());
    return this.response;
  }

  /** @returns {Promise<Response | undefined>} the error response, if the chat cannot be created */
  async #ensureChat() {
    const { api, chat, organization } = this.#target;
    if (chat) return;
    const created = storedChat(this.#key) || (await createChat(api, organization, this.#key));
    if (typeof created !== "string") return created;
    this.#target.chat = created;
  }

  #post() {
    const { kind, message, prompt } = this.#generation;
    const messages = `${this.#target.api}/${this.#target.chat}/messages`;
    return fetch(kind === "send" ? messages : `${messages}/${message}/${kind}`, {
      method: "POST",
      headers: { ...requestHeaders("POST"), Accept: "text/event-stream", "Idempotency-Key": this.#key },
      body: JSON.stringify(prompt === undefined ? {} : { prompt }),
    });
  }
}

/**
 * The chat that an earlier attempt created for the same prompt, if its request never arrived.
 * @param {string} key the prompt's Idempotency-Key
 * @returns {string} its id; empty if there is none
 */
function storedChat(key) {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "null");
    return stored?.key === key ? stored.chat : "";
  } catch {
    return "";
  }
}

/**
 * @param {string} api
 * @param {string} organization its id; empty if the user has only one
 * @param {string} key
 * @returns {Promise<string | Response>} the chat's id, or the error response
 */
async function createChat(api, organization, key) {
  const response = await fetch(api, {
    method: "POST",
    headers: requestHeaders("POST"),
    body: JSON.stringify(organization ? { organization } : {}),
  });
  if (!response.ok) return response;
  const { id: chat } = await response.json();
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ key, chat }));
  } catch {
    // Storage is blocked: a retry may leave an empty chat, which no list shows.
  }
  return chat;
}
