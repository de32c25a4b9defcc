/** The token that Django expects with an unsafe request; every page carries it in one place. */
export function csrfToken() {
  const meta = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf"]'));
  return meta?.content ?? "";
}
