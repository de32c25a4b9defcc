/** Upload a file in parts, in order; a part is sent again after a network or server error. */

export const MAX_ATTEMPTS = 6;

/**
 * @typedef {{ status: number, due?: number, detail?: string }} Answer
 *   `due`: the number of the part that the server expects next
 * @typedef {object} Options
 * @property {number} partSize bytes of each part
 * @property {(number: number, data: Blob) => Promise<Answer>} send rejects on a network error
 * @property {(share: number) => void} onProgress from 0 to 1
 * @property {(attempt: number) => Promise<void>} wait before that attempt; rejects to give up
 */

/**
 * @param {Blob} file
 * @param {Options} options
 * @returns {Promise<string>} an error sentence; empty after success
 */
export async function sendParts(file, { partSize, send, onProgress, wait }) {
  const count = Math.ceil(file.size / partSize);
  for (let due = 0, attempts = 0; due < count; ) {
    onProgress(due / count);
    /** @type {Answer | null} */
    const answer = await send(due, file.slice(due * partSize, (due + 1) * partSize)).catch(() => null);
    if (answer?.status === 200 && answer.due !== undefined) {
      due = answer.due;
      attempts = 0;
    } else if (answer !== null && answer.status < 500 && answer.status !== 429) {
      return answer.detail || `The server answered ${answer.status}.`;
    } else if (++attempts >= MAX_ATTEMPTS) {
      return "The server cannot be reached. Nothing has changed; try again.";
    } else {
      await wait(attempts);
    }
  }
  onProgress(1);
  return "";
}
