/** The form of a camera: source, login, search on the network, connection test, privacy masks. */

import { parseAreas } from "../masks/areas.js";
import { MaskEditor } from "../masks/editor.js";
import { forgetPicture, keepPicture } from "../masks/kept-picture.js";
import { csrfToken } from "../shell/requests.js";
import { connectionTest } from "../sources/connection-test.js";
import { FindCameras } from "../sources/find-cameras.js";
import { splitLogin } from "../sources/login.js";

const WITHOUT_SOURCE = ["push", "demo"];
const WITH_LOGIN = ["rtsp", "http"];

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-camera-form]"));
const kind = /** @type {HTMLSelectElement} */ (form.elements.namedItem("kind"));
const source = /** @type {HTMLInputElement} */ (form.elements.namedItem("source"));
const user = /** @type {HTMLInputElement} */ (form.elements.namedItem("user"));
const password = /** @type {HTMLInputElement} */ (form.elements.namedItem("password"));
const name = /** @type {HTMLInputElement} */ (form.elements.namedItem("name"));
// Absent where a camera is edited, and a hidden input where there is one organization to choose.
const organization = /** @type {HTMLSelectElement | HTMLInputElement | null} */ (form.elements.namedItem("organization"));
const sourceRow = /** @type {HTMLElement} */ (form.querySelector("[data-source-row]"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-test]"));
const output = /** @type {HTMLOutputElement} */ (form.querySelector("[data-test-answer]"));
const masks = /** @type {HTMLElement | null} */ (document.querySelector("[data-masks]"));

const find = /** @type {HTMLDialogElement} */ (document.querySelector("[data-find]"));
const headers = { "X-CSRFToken": csrfToken() };

const clearResult = connectionTest(button, {
  output,
  picture: /** @type {HTMLElement} */ (form.querySelector("[data-test-picture]")),
  headers,
  body: () =>
    new URLSearchParams({
      kind: kind.value,
      source: source.value,
      user: user.value,
      password: password.value,
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
  row("login").hidden = !WITH_LOGIN.includes(kind.value);
  row("find").hidden = !WITH_LOGIN.includes(kind.value) && kind.value !== "";
  row("test").hidden = !hasSource;
  clearResult();
}

/** @param {string} name */
function row(name) {
  return /** @type {HTMLElement} */ (form.querySelector(`[data-${name}-row]`));
}

/** A login that was pasted with the address moves to its own fields. */
function moveLogin() {
  const found = WITH_LOGIN.includes(kind.value) ? splitLogin(source.value) : null;
  if (!found) return;
  source.value = found.address;
  user.value = found.user;
  password.value = found.password;
}

const finder = new FindCameras(find, {
  headers,
  organization: () => organization?.value ?? form.dataset.organization ?? "",
  choose: ({ stream, camera, ...login }) => {
    kind.value = stream.kind;
    source.value = stream.address;
    user.value = login.user;
    password.value = login.password;
    name.value ||= camera.name || camera.hardware;
    showKind();
    button.focus();
  },
});
form.querySelector("[data-find-open]")?.addEventListener("click", () => finder.open());

kind.addEventListener("change", showKind);
organization?.addEventListener("change", showKind);
for (const pick of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-pick]"))) {
  pick.addEventListener("click", () => {
    source.value = pick.dataset.pick ?? "";
    clearResult();
  });
}
source.addEventListener("change", moveLogin);
for (const input of [source, user, password]) input.addEventListener("input", clearResult);
if (masks) new MaskEditor(masks);
keepMaskedPicture(form.dataset.cameraForm ?? "");
showKind();

/**
 * When changed masks are saved, keep the last picture under them for the camera's page.
 * @param {string} camera id; empty for a new one
 */
function keepMaskedPicture(camera) {
  const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("masks"));
  const before = field.value;
  forgetPicture(sessionStorage, camera); // of a form that was refused
  form.addEventListener("submit", () => {
    const image = masks?.querySelector("img");
    if (camera && image && field.value !== before) keepPicture(camera, image, parseAreas(field.value));
  });
}
