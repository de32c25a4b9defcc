/**
 * Forms with `data-confirm="Question"` ask first, in the page's one dialog.
 * @param {HTMLDialogElement | null} dialog with `[data-question]` and a form of method dialog
 */
export function confirmations(dialog) {
  if (!dialog) return;
  /** @type {HTMLFormElement | null} */
  let asking = null;
  document.addEventListener("submit", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (!form.dataset.confirm || form === asking) return;
    event.preventDefault();
    asking = form;
    const question = dialog.querySelector("[data-question]");
    if (question) question.textContent = form.dataset.confirm;
    const yes = dialog.querySelector("[value=yes]");
    if (yes) yes.textContent = form.dataset.yes ?? "Go on";
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    const form = asking;
    if (dialog.returnValue === "yes") form?.requestSubmit();
    asking = null;
  });
}
