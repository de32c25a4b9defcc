/**
 * Show a confirmation dialog before a form with `data-confirm="Question"` is submitted.
 * @param {HTMLDialogElement | null} dialog with `[data-question]` and a form of method dialog
 */
export function confirmSubmits(dialog) {
  if (!dialog) return;
  /** @type {HTMLFormElement | null} */
  let pending = null;
  document.addEventListener("submit", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (!form.dataset.confirm || form === pending) return;
    event.preventDefault();
    pending = form;
    const question = dialog.querySelector("[data-question]");
    if (question) question.textContent = form.dataset.confirm;
    const yes = dialog.querySelector("[value=yes]");
    if (yes) yes.textContent = form.dataset.yes ?? "Go on";
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    const form = pending;
    if (dialog.returnValue === "yes") form?.requestSubmit();
    pending = null;
  });
}
