const DURATION_MS = 6000;
const ACTION_DURATION_MS = 20_000;
const MAX_TOASTS = 3;

/**
 * Show a sentence at the edge of the page for a few seconds. It replaces an earlier one with the same
 * `about`, so a repeated failure is shown once. With a link it stays; with an action (a button, which
 * closes it) it stays for longer.
 * @param {string} sentence
 * @param {{about?: string, error?: boolean, link?: {href: string, text: string},
 *          action?: {text: string, run: () => unknown}}} [options]
 */
export function toast(sentence, { about = sentence, error = false, link, action } = {}) {
  const list = document.getElementById("toasts");
  if (!list) return;
  const same = /** @type {HTMLElement[]} */ ([...list.children]).find((child) => child.dataset.about === about);
  const item = same ?? document.createElement("div");
  item.dataset.about = about;
  item.className = error ? "toast toast-error" : "toast";
  if (item.dataset.sentence !== sentence) fill(item, sentence, link, action);
  if (!same) list.append(item);
  while (list.children.length > MAX_TOASTS) list.firstElementChild?.remove();
  clearTimeout(Number(item.dataset.timer));
  const duration = action ? ACTION_DURATION_MS : DURATION_MS;
  if (!link) item.dataset.timer = String(setTimeout(() => item.remove(), duration));
}

/**
 * @param {HTMLElement} item
 * @param {string} sentence
 * @param {{href: string, text: string} | undefined} link
 * @param {{text: string, run: () => unknown} | undefined} action
 */
function fill(item, sentence, link, action) {
  item.dataset.sentence = sentence;
  item.textContent = sentence;
  if (action) item.append(" ", actionButton(item, action));
  if (!link) return;
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: link.href, textContent: link.text });
  item.append(" ", anchor);
}

/** @param {HTMLElement} item @param {{text: string, run: () => unknown}} action */
function actionButton(item, { text, run }) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", textContent: text });
  button.addEventListener("click", () => {
    item.remove();
    run();
  });
  return button;
}
