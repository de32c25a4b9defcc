const STAY_MS = 6000;
const MOST = 3;

/**
 * A sentence that stays for a while at the edge of the page. The same `about` replaces its own
 * earlier sentence, so a thing that fails again and again says so once.
 * @param {string} sentence
 * @param {{about?: string, error?: boolean}} [options]
 */
export function toast(sentence, { about = sentence, error = false } = {}) {
  const list = document.getElementById("toasts");
  if (!list) return;
  const same = /** @type {HTMLElement[]} */ ([...list.children]).find((one) => one.dataset.about === about);
  const item = same ?? document.createElement("li");
  item.dataset.about = about;
  item.className = error ? "toast toast-error" : "toast";
  if (item.textContent !== sentence) item.textContent = sentence;
  if (!same) list.append(item);
  while (list.children.length > MOST) list.firstElementChild?.remove();
  clearTimeout(Number(item.dataset.timer));
  item.dataset.timer = String(setTimeout(() => item.remove(), STAY_MS));
}
