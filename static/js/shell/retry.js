/** When to connect again, and when not to. */

export const QUICK_TRIES = 5;
/** A refused handshake has no reason; from this try on, the API is asked. */
export const ASK_FROM_TRY = 2;
const FIRST_MS = 1000;
const SLOW_MS = 30_000;

/** Close codes after which another try would be answered the same. */
const FINAL = {
  4401: "Signed out",
  4403: "You may no longer watch this camera",
  4404: "This camera is gone",
};

/**
 * Milliseconds to wait before the given try (1 is the first after a loss): 1, 2, 4, 8, 16 s, then
 * 30 s give or take a sixth, so that many viewers do not come back in one moment.
 * @param {number} tryNumber
 * @param {number} [random] from 0 to 1
 */
export function waitBefore(tryNumber, random = Math.random()) {
  if (tryNumber <= QUICK_TRIES) return FIRST_MS * 2 ** (tryNumber - 1);
  return Math.round(SLOW_MS * (1 + (random - 0.5) / 3));
}

/**
 * Why a closed stream must not be retried; null where it may be.
 * @param {number} code
 * @returns {string | null}
 */
export function finalWord(code) {
  return FINAL[code] ?? null;
}

/**
 * Why a handshake is refused, which looks like a dead network: the API tells them apart. A share
 * link that has ended is gone (410).
 * @param {string} detail the camera's address in the API; of a share link, its own page
 * @returns {Promise<number | undefined>} the close code it would have been; undefined: no word
 */
export async function refusalCode(detail) {
  return fetch(detail, { headers: { Accept: "application/json" } }).then(
    (answer) => ({ 401: 4401, 403: 4403, 404: 4404, 410: 4401 })[answer.status],
    () => undefined,
  );
}

/** The address of a socket of this site. @param {string} path */
export function socketAddress(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * What is said while the connection is down.
 * @param {number} tryNumber
 * @param {number} leftMs until that try; 0 while it runs
 */
export function waitingWords(tryNumber, leftMs) {
  if (tryNumber <= QUICK_TRIES) return `Reconnecting, try ${tryNumber} of ${QUICK_TRIES}`;
  return leftMs > 0 ? `No connection. Next try in ${Math.ceil(leftMs / 1000)} s` : "Reconnecting";
}
