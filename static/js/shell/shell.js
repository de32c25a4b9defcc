/** Behaviour of every page: shortcuts, confirmations, copy buttons. */

import { confirmSubmits } from "./confirm.js";
import { copyButtons } from "./copy.js";
import { keyboardShortcuts } from "./shortcuts.js";

const dialog = (/** @type {string} */ id) => /** @type {HTMLDialogElement | null} */ (document.getElementById(id));

keyboardShortcuts(dialog("keys"));
confirmSubmits(dialog("confirm"));
copyButtons();
for (const button of document.querySelectorAll("[data-show-keys]")) {
  button.addEventListener("click", () => {
    /** @type {HTMLElement | null} */ (button.closest("[popover]"))?.hidePopover();
    dialog("keys")?.showModal();
  });
}
