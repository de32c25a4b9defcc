/**
 * A field in the place of a chat's name: Enter keeps what was typed, Escape and leaving do not.
 * @param {HTMLElement} name whose place it takes
 * @param {string} title
 * @param {number} most characters
 * @param {(title: string) => Promise<boolean>} save
 */
export function renameIn(name, title, most, save) {
  const form = document.createElement("form");
  const field = document.createElement("input");
  form.className = "rename";
  field.type = "text";
  field.maxLength = most;
  field.value = title;
  field.setAttribute("aria-label", "Name of the chat");
  form.append(field);
  const place = name.closest("a") ?? name;
  let over = false;
  const leave = () => {
    if (over) return;
    over = true;
    const button = form.contains(document.activeElement) ? form.parentElement?.querySelector("[data-menu]") : null;
    form.replaceWith(place);
    /** @type {HTMLElement | null | undefined} */ (button)?.focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = field.value.trim();
    if (wanted && wanted !== title && (await save(wanted))) name.textContent = wanted;
    leave();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
  });
  field.addEventListener("blur", leave);
  place.replaceWith(form);
  field.focus();
  field.select();
}
