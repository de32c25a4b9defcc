/** Upload a file in parts, in order; a part is sent again after a network or server error. */

export const MAX_ATTEMPTS = 6;

/**
 * @typedef {{ status: number, detail?: string, [member: string]: any }} Answer with the members of
 *   its JSON; `detail` is the sentence of an error
 * @typedef {(attempt: number) => Promise<void>} Wait after that attempt; rejects to give up
 * @typedef {object} Options
 * @property {number} partSize bytes of each part
 * @property {(number: number, data: Blob) => Promise<Answer>} send rejects on a network error
 * @property {(share: number) => void} onProgress from 0 to 1
 * @property {Wait} wait
 */

/**
 * Send until an answer is final or no attempt is left; return the last answer.
 * @param {() => Promise<Answer>} send
 * @param {(answer: Answer) => boolean} mayRepeat
 * @param {Wait} wait
 */
export async function repeat(send, mayRepeat, wait) {
  for (let attempt = 1; ; attempt++) {
    const answer = await send();
    if (!mayRepeat(answer) || attempt >= MAX_ATTEMPTS) return answer;
    await wait(attempt);
  }
}

/**
 * @param {Blob} file
 * @param {Options} options
 * @returns {Promise<string>} an error sentence; empty after success
 */
export async function sendParts(file, { partSize, send, onProgress, wait }) {
  const count = Math.ceil(file.size / partSize);
  for (let number = 0; number < count; number++) {
    onProgress(number / count);
    const data = file.slice(number * partSize, (number + 1) * partSize);
    const answer = await repeat(() => send(number, data).catch(() => ({ status: 0 })), isTransient, wait);
    if (isTransient(answer)) return "The server cannot be reached. Nothing has changed; try again.";
    if (answer.detail) return answer.detail;
  }
  onProgress(1);
  return "";
}

/** @param {Answer} answer its status is 0 after a network error */
function isTransient({ status }) {
  return status === 0 || status === 429 || status >= 500;
}
