/** The CSRF token of the page, for the `X-CSRFToken` header of an unsafe request; "" without one. */
export function csrfToken() {
  const meta = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf"]'));
  return meta?.content ?? "";
}

/**
 * The error sentence of a failed response: `detail` of RFC 9457 problem details, else its status.
 * @param {Response} response
 * @returns {Promise<string>}
 */
export async function errorDetail(response) {
  const body = await response.json().catch(() => null);
  return body?.detail || `The server answered ${response.status}.`;
}
