/**
 * An address and the login in it, decoded. Null where there is none, or it cannot be read.
 * @param {string} text
 * @returns {{address: string, user: string, password: string} | null}
 */
export function splitLogin(text) {
  const found = /^([a-z]+:\/\/)([^/?#\\@]*)@(.*)$/i.exec(text.trim());
  if (!found) return null;
  const [, scheme, login, rest] = found;
  const colon = login.indexOf(":");
  try {
    const user = decodeURIComponent(colon < 0 ? login : login.slice(0, colon));
    const password = colon < 0 ? "" : decodeURIComponent(login.slice(colon + 1));
    return { address: scheme + rest, user, password };
  } catch {
    return null; // a stray %
  }
}
