import { csrfToken } from "../shell/csrf.js";
import { sentenceOf } from "../shell/problem.js";

/** A request that was answered, but not with what was asked for. `message` is a plain sentence. */
export class Refusal extends Error {
  /** @param {number} status @param {string} sentence */
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** What a request of this site carries. @param {string} [method] */
export function headersFor(method = "GET") {
  const headers = { Accept: "application/json" };
  return method === "GET" ? headers : { ...headers, "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
}

/**
 * Ask the API. Throws `Refusal`, or TypeError where there is no connection.
 * @param {string} address
 * @param {string} [method]
 * @param {object} [body]
 * @returns {Promise<any>} the JSON of the answer; null where it has none
 */
export async function ask(address, method = "GET", body) {
  const answer = await fetch(address, {
    method,
    headers: headersFor(method),
    body: body && JSON.stringify(body),
    redirect: "error",
  });
  if (!answer.ok) throw new Refusal(answer.status, await sentenceOf(answer));
  return answer.status === 204 ? null : answer.json();
}

// The one policy of trusted types: for pages that our own server has rendered, and nothing else.
const ours = globalThis.trustedTypes?.createPolicy("sideline", { createHTML: (/** @type {string} */ html) => html });

/**
 * A page of this site, for its parts. Scripts in it do not run.
 * @param {string} address
 * @param {AbortSignal} [signal]
 * @returns {Promise<Document>}
 */
export async function pageAt(address, signal) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "error", signal });
  if (!answer.ok) throw new Refusal(answer.status, `The server answered ${answer.status}.`);
  const html = ours ? ours.createHTML(await answer.text()) : await answer.text();
  return new DOMParser().parseFromString(html, "text/html");
}

/** What to tell of something that failed. @param {unknown} error @param {string} lead */
export function tell(error, lead) {
  if (error instanceof Refusal) return error.status === 401 ? `${lead} You are signed out.` : `${lead} ${error.message}`;
  return `${lead} There is no connection to the server; try again.`;
}
