/**
 * What is told when a question was not taken. The prompt is back in the field by then.
 * @param {{words: string, code?: number}} state the stream's last word
 * @param {Response} [response] the server's answer
 */
export function refusalOf({ words, code }, response) {
  const after = Number(response?.headers.get("Retry-After")) || 0;
  if (code === 401) return "You are signed out. Your message is kept here.";
  if (code === 403) return `${words}. Your role or this chat’s organization does not allow it any more.`;
  if (code === 404) return "This chat is gone. Copy your message and begin a new one.";
  return after ? `${words.replace(/[.]?$/, ".")} Next try: ${inWords(after)}.` : words;
}

/** @param {number} seconds */
export function inWords(seconds) {
  if (seconds < 90) return `in ${seconds} s`;
  if (seconds < 90 * 60) return `in ${Math.round(seconds / 60)} minutes`;
  return `in ${Math.round(seconds / 3600)} hours`;
}

/**
 * Say so above the field; an empty sentence takes it back.
 * @param {HTMLElement} line
 * @param {string} sentence
 * @param {number} [code] of HTTP
 */
export function sayRefusal(line, sentence, code) {
  line.textContent = sentence;
  line.hidden = !sentence;
  const signin = document.getElementById("toasts")?.dataset.signin;
  if (code !== 401 || !signin) return;
  const link = document.createElement("a");
  Object.assign(link, { href: `${signin}?next=${encodeURIComponent(location.pathname)}`, textContent: "Sign in" });
  line.append(" ", link);
}
