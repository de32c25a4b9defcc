import { confirmations } from "./confirm.js";
import { copyButtons } from "./copy.js";
import { keys } from "./keys.js";

const dialog = (/** @type {string} */ id) => /** @type {HTMLDialogElement | null} */ (document.getElementById(id));

keys(dialog("keys"));
confirmations(dialog("confirm"));
copyButtons();
for (const button of document.querySelectorAll("[data-show-keys]")) {
  button.addEventListener("click", () => {
    /** @type {HTMLElement | null} */ (button.closest("[popover]"))?.hidePopover();
    dialog("keys")?.showModal();
  });
}
