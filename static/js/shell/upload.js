/** A file sent in parts, in their order, each again where the network failed. */

export const TRIES = 6;

/**
 * @typedef {{ status: number, due?: number, detail?: string }} Answer
 * @typedef {object} How
 * @property {number} part bytes of each
 * @property {(number: number, data: Blob) => Promise<Answer>} send rejects where nobody answered
 * @property {(share: number) => void} told from 0 to 1
 * @property {(tryNumber: number) => Promise<void>} wait before that try; rejects to give up
 */

/**
 * @param {Blob} file
 * @param {How} how
 * @returns {Promise<string>} a sentence where it was refused; empty when all of it is there
 */
export async function sendParts(file, { part, send, told, wait }) {
  const count = Math.ceil(file.size / part);
  for (let due = 0, tries = 0; due < count; ) {
    told(due / count);
    /** @type {Answer | null} */
    const answer = await send(due, file.slice(due * part, (due + 1) * part)).catch(() => null);
    if (answer?.status === 200 && answer.due !== undefined) {
      due = answer.due;
      tries = 0;
    } else if (answer !== null && answer.status < 500 && answer.status !== 429) {
      return answer.detail || `The server answered ${answer.status}.`;
    } else if (++tries >= TRIES) {
      return "The server cannot be reached. Nothing has changed; try again.";
    } else {
      await wait(tries);
    }
  }
  told(1);
  return "";
}
