const SEQUENCE_MS = 1200;

/**
 * Keyboard shortcuts: a key or sequence such as "g w" clicks the element with `data-key="g w"`; `?`
 * opens the list of shortcuts. Ignored while the user types, or with Control, Alt or Meta.
 * @param {HTMLDialogElement | null} list dialog with the list of shortcuts
 */
export function keyboardShortcuts(list) {
  let lastKey = "";
  let lastAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const prefix = event.timeStamp - lastAt < SEQUENCE_MS ? lastKey : "";
    const sequence = prefix ? `${prefix} ${event.key}` : event.key;
    lastKey = event.key;
    lastAt = event.timeStamp;
    if (event.key === "?") return list?.showModal();
    if (event.key === "Escape" && (document.fullscreenElement || document.querySelector(":popover-open"))) return;
    const target = findTarget(sequence) ?? findTarget(event.key);
    if (!target) return;
    event.preventDefault();
    lastKey = "";
    target.click();
  });
}

/** @param {string} sequence */
function findTarget(sequence) {
  const targets = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-key]")]);
  return targets.find((target) => target.dataset.key === sequence);
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
