import { errorDetail } from "../shell/requests.js";
import { REFUSAL_CODES } from "../shell/retry.js";

/** The server refuses a ticket. `code`: the close code that means the same, if it will not change. */
export class TicketRefused extends Error {
  /**
   * @param {string} message
   * @param {number | undefined} code
   */
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/**
 * Request a ticket, which opens one WebSocket within 30 s.
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<string>} rejects with `TicketRefused`, or with what `fetch` throws
 */
export async function requestTicket(url, signal) {
  const response = await fetch(url, { method: "POST", headers: { Accept: "application/json" }, signal });
  if (response.ok) return (await response.json()).ticket;
  if (response.status >= 500) throw new Error(`The server answered ${response.status}.`);
  throw new TicketRefused(await errorDetail(response), REFUSAL_CODES[response.status]);
}
