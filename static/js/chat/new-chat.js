import { headersFor } from "./api.js";

const KEPT = "chat:made"; // in this tab: which chat was made for which question

/**
 * The chat that was made for a question whose answer never began: asked again, it goes there.
 * @param {string} key the question's Idempotency-Key
 * @returns {string} its id, or nothing
 */
export function madeChat(key) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    return kept?.key === key ? kept.chat : "";
  } catch {
    return "";
  }
}

/**
 * Make a chat.
 * @param {string} api
 * @param {string} organization its id; nothing for one's only one
 * @param {string} key
 * @returns {Promise<string | Response>} the chat's id, or the server's refusal
 */
export async function makeChat(api, organization, key) {
  const answer = await fetch(api, {
    method: "POST",
    headers: headersFor("POST"),
    body: JSON.stringify(organization ? { organization } : {}),
  });
  if (!answer.ok) return answer;
  const { id: chat } = await answer.json();
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ key, chat }));
  } catch {
    // forbidden: at worst an empty chat is left, which no list shows
  }
  return chat;
}
