const STAY_MS = 6000;
const MOST = 3;

/**
 * A sentence that stays for a while at the edge of the page. The same `about` replaces its own
 * earlier sentence, so a thing that fails again and again says so once. With a link it stays.
 * @param {string} sentence
 * @param {{about?: string, error?: boolean, link?: {href: string, text: string}}} [options]
 */
export function toast(sentence, { about = sentence, error = false, link } = {}) {
  const list = document.getElementById("toasts");
  if (!list) return;
  const same = /** @type {HTMLElement[]} */ ([...list.children]).find((one) => one.dataset.about === about);
  const item = same ?? document.createElement("div");
  item.dataset.about = about;
  item.className = error ? "toast toast-error" : "toast";
  if (item.dataset.sentence !== sentence) fill(item, sentence, link);
  if (!same) list.append(item);
  while (list.children.length > MOST) list.firstElementChild?.remove();
  clearTimeout(Number(item.dataset.timer));
  if (!link) item.dataset.timer = String(setTimeout(() => item.remove(), STAY_MS));
}

/**
 * @param {HTMLElement} item
 * @param {string} sentence
 * @param {{href: string, text: string} | undefined} link
 */
function fill(item, sentence, link) {
  item.dataset.sentence = sentence;
  item.textContent = sentence;
  if (!link) return;
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: link.href, textContent: link.text });
  item.append(" ", anchor);
}
