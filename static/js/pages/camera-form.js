/** The form of a camera: source, connection test, privacy masks. */

import { MaskEditor } from "../masks/editor.js";
import { csrfToken } from "../shell/requests.js";
import { testButton } from "../shell/test-button.js";

const WITHOUT_SOURCE = ["push", "demo"];

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-camera-form]"));
const kind = /** @type {HTMLSelectElement} */ (form.elements.namedItem("kind"));
const source = /** @type {HTMLInputElement} */ (form.elements.namedItem("source"));
// Absent where a camera is edited, and a hidden input where there is one organization to choose.
const organization = /** @type {HTMLSelectElement | HTMLInputElement | null} */ (form.elements.namedItem("organization"));
const sourceRow = /** @type {HTMLElement} */ (form.querySelector("[data-source-row]"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-test]"));
const output = /** @type {HTMLOutputElement} */ (form.querySelector("[data-test-answer]"));
const masks = /** @type {HTMLElement | null} */ (document.querySelector("[data-masks]"));

const clearResult = testButton(button, output, {
  busy: "Testing, at most 5 s",
  headers: { "X-CSRFToken": csrfToken() },
  body: () =>
    new URLSearchParams({
      kind: kind.value,
      source: source.value,
      camera: form.dataset.cameraForm ?? "",
      organization: organization?.value ?? "",
    }),
});

/** Show the help of the selected kind and organization, and the source only if the kind has one. */
function showKind() {
  for (const help of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-kind]"))) {
    const isForeign = organization && help.dataset.organization && help.dataset.organization !== organization.value;
    help.hidden = help.dataset.kind !== kind.value || Boolean(isForeign);
  }
  const hasSource = !WITHOUT_SOURCE.includes(kind.value);
  sourceRow.hidden = !hasSource && !sourceRow.querySelector(".errors"); // an error stays visible
  button.hidden = !hasSource;
  clearResult();
}

kind.addEventListener("change", showKind);
organization?.addEventListener("change", showKind);
for (const pick of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-pick]"))) {
  pick.addEventListener("click", () => {
    source.value = pick.dataset.pick ?? "";
    clearResult();
  });
}
source.addEventListener("input", clearResult);
if (masks) new MaskEditor(masks);
showKind();
