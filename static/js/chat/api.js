import { csrfToken, errorDetail } from "../shell/requests.js";

/** An error response. `message` is a plain sentence. */
export class ApiError extends Error {
  /** @param {number} status @param {string} sentence */
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** The headers of an API request. @param {string} [method] */
export function requestHeaders(method = "GET") {
  const headers = { Accept: "application/json" };
  return method === "GET" ? headers : { ...headers, "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
}

/**
 * Call the API. Throws `ApiError`, or TypeError without a connection.
 * @param {string} url
 * @param {string} [method]
 * @param {object} [body]
 * @returns {Promise<any>} the JSON of the response; null for 204
 */
export async function request(url, method = "GET", body) {
  const response = await fetch(url, {
    method,
    headers: requestHeaders(method),
    body: body && JSON.stringify(body),
    redirect: "error",
  });
  if (!response.ok) throw new ApiError(response.status, await errorDetail(response));
  return response.status === 204 ? null : response.json();
}

// The only trusted-types policy, for HTML that our own server has rendered.
const policy = globalThis.trustedTypes?.createPolicy("sideline", {
  createHTML: (/** @type {string} */ html) => html,
});

/**
 * Fetch a page of this site and parse it. Its scripts do not run. Throws as `request`.
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Document>}
 */
export async function fetchPage(url, signal) {
  const response = await fetch(url, { headers: { Accept: "text/html" }, redirect: "error", signal });
  if (!response.ok) throw new ApiError(response.status, `The server answered ${response.status}.`);
  const html = policy ? policy.createHTML(await response.text()) : await response.text();
  return new DOMParser().parseFromString(html, "text/html");
}

/**
 * The sentence to show for a failed request.
 * @param {unknown} error
 * @param {string} lead first sentence: "It was not renamed."
 */
export function errorSentence(error, lead) {
  if (!(error instanceof ApiError)) return `${lead} There is no connection to the server; try again.`;
  return error.status === 401 ? `${lead} You are signed out.` : `${lead} ${error.message}`;
}

/** A random Idempotency-Key. `crypto.randomUUID` is missing on plain HTTP. */
export function newIdempotencyKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
