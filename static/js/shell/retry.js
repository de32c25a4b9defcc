/** Reconnection policy of WebSockets and event streams: delays, final close codes, messages. */

/** Attempts with a doubling delay; later ones come at a constant interval. */
export const QUICK_ATTEMPTS = 5;
/** A refused WebSocket handshake gives no reason; from this attempt on, the API is asked for it. */
export const CHECK_REFUSAL_FROM_ATTEMPT = 2;
const FIRST_MS = 1000;
const SLOW_MS = 30_000;

/** Close codes after which a client must not reconnect. */
const FINAL_REASONS = {
  4401: "Signed out",
  4403: "You may no longer watch this camera",
  4404: "This camera is gone",
};

/**
 * Milliseconds to wait before an attempt: 1, 2, 4, 8, 16 s, then 30 s ± 1/6 of jitter, so that many
 * clients do not reconnect at the same moment.
 * @param {number} attempt 1 is the first after the connection was lost
 * @param {number} [random] from 0 to 1
 */
export function retryDelay(attempt, random = Math.random()) {
  if (attempt <= QUICK_ATTEMPTS) return FIRST_MS * 2 ** (attempt - 1);
  return Math.round(SLOW_MS * (1 + (random - 0.5) / 3));
}

/**
 * Why a closed stream must not be retried; null if it may be.
 * @param {number} code
 * @returns {string | null}
 */
export function finalReason(code) {
  return FINAL_REASONS[code] ?? null;
}

/** The close codes that mean the same as an HTTP status. A share link that has ended answers 410. */
export const REFUSAL_CODES = { 401: 4401, 403: 4403, 404: 4404, 410: 4401 };

/**
 * Find out by HTTP why a WebSocket handshake fails; to a browser, a refusal looks like a network
 * failure.
 * @param {string} url of the camera in the API
 * @returns {Promise<number | undefined>} the matching close code; undefined: not refused
 */
export async function refusalCode(url) {
  return fetch(url, { headers: { Accept: "application/json" } }).then(
    (response) => REFUSAL_CODES[response.status],
    () => undefined,
  );
}

/** The absolute URL of a WebSocket of this site. @param {string} path */
export function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * The message to show while the connection is down.
 * @param {number} attempt
 * @param {number} remainingMs until that attempt; 0 while it runs
 */
export function retryMessage(attempt, remainingMs) {
  if (attempt <= QUICK_ATTEMPTS) return `Reconnecting, try ${attempt} of ${QUICK_ATTEMPTS}`;
  return remainingMs > 0 ? `No connection. Next try in ${Math.ceil(remainingMs / 1000)} s` : "Reconnecting";
}
