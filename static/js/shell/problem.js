/**
 * The plain sentence of an answer that is not a success (RFC 9457 problem details, or nothing).
 * @param {Response} answer
 * @returns {Promise<string>}
 */
export async function sentenceOf(answer) {
  const body = await answer.json().catch(() => null);
  return body?.detail || `The server answered ${answer.status}.`;
}
