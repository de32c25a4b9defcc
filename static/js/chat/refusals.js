/**
 * The sentence to show when a prompt was not accepted. The prompt is back in the field by then.
 * @param {{message: string, code?: number}} state final state of the stream
 * @param {Response} [response] the server's response
 */
export function refusalSentence({ message, code }, response) {
  const retryAfter = Number(response?.headers.get("Retry-After")) || 0;
  if (code === 401) return "You are signed out. Your message is kept here.";
  if (code === 403) return `${message}. Your role or this chat’s organization does not allow it any more.`;
  if (code === 404) return "This chat is gone. Copy your message and begin a new one.";
  return retryAfter ? `${message.replace(/[.]?$/, ".")} Next try: ${formatDelay(retryAfter)}.` : message;
}

/** @param {number} seconds */
export function formatDelay(seconds) {
  if (seconds < 90) return `in ${seconds} s`;
  if (seconds < 90 * 60) return `in ${Math.round(seconds / 60)} minutes`;
  return `in ${Math.round(seconds / 3600)} hours`;
}

/**
 * Show the sentence above the field, with a link to sign in after 401; an empty sentence hides the line.
 * @param {HTMLElement} line
 * @param {string} sentence
 * @param {number} [code] HTTP status
 */
export function showRefusal(line, sentence, code) {
  line.textContent = sentence;
  line.hidden = !sentence;
  const signin = document.getElementById("toasts")?.dataset.signin;
  if (code !== 401 || !signin) return;
  const link = document.createElement("a");
  Object.assign(link, { href: `${signin}?next=${encodeURIComponent(location.pathname)}`, textContent: "Sign in" });
  line.append(" ", link);
}
