const SEQUENCE_MS = 1200;

/**
 * Keys that lead somewhere: elements with `data-key="g w"` are clicked, `?` lists them.
 * Nothing happens while someone types, or with Control, Alt or Meta.
 * @param {HTMLDialogElement | null} list
 */
export function keys(list) {
  let before = "";
  let at = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const held = event.timeStamp - at < SEQUENCE_MS ? before : "";
    const pressed = held ? `${held} ${event.key}` : event.key;
    before = event.key;
    at = event.timeStamp;
    if (event.key === "?") return list?.showModal();
    if (event.key === "Escape" && (document.fullscreenElement || document.querySelector(":popover-open"))) return;
    const target = find(pressed) ?? find(event.key);
    if (!target) return;
    event.preventDefault();
    before = "";
    target.click();
  });
}

/** @param {string} pressed */
function find(pressed) {
  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-key]")]);
  return all.find((one) => one.dataset.key === pressed);
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
