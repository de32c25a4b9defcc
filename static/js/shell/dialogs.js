/**
 * Dialogs that also work without scripts. A link to `#id` opens the dialog of that id; one that the
 * server rendered open, with the answer to a form, is made modal. `[data-close]` in it closes it;
 * without scripts that is a link to the page.
 */
export function linkedDialogs() {
  const dialogs = /** @type {HTMLDialogElement[]} */ ([...document.querySelectorAll("dialog[data-linked]")]);
  for (const dialog of dialogs) {
    for (const link of document.querySelectorAll(`a[href$="#${dialog.id}"]`)) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        dialog.showModal();
      });
    }
    for (const close of /** @type {NodeListOf<HTMLAnchorElement>} */ (dialog.querySelectorAll("[data-close]"))) {
      close.addEventListener("click", (event) => {
        event.preventDefault();
        dialog.close();
      });
      // A reload must neither repeat the form nor open the dialog again.
      dialog.addEventListener("close", () => history.replaceState(null, "", close.href));
    }
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog && isOutside(dialog, event)) dialog.close();
    });
  }
  const named = () => dialogs.find(({ id }) => location.hash === `#${id}`);
  const wanted = dialogs.find(({ open }) => open) ?? named();
  if (wanted) openAtStart(wanted);
  addEventListener("hashchange", () => {
    const dialog = named();
    if (dialog && !dialog.open) dialog.showModal();
  });
}

/** @param {HTMLDialogElement} dialog */
function openAtStart(dialog) {
  const notices = document.querySelectorAll("#main > .notice[role]");
  dialog.querySelector("h2")?.after(...notices); // behind the dialog nobody would read them
  dialog.open = false;
  dialog.showModal();
}

/** Whether a click was on the backdrop. @param {HTMLElement} dialog @param {MouseEvent} event */
function isOutside(dialog, { clientX, clientY }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}
