/** The page of a share link: one camera for somebody without an account. */

import { detectionsToggle } from "../live/detections.js";
import { fullScreenButton } from "../live/fullscreen.js";
import { keys } from "../shell/keys.js";
import { CameraViewer } from "../live/viewer.js";

const $ = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
const watch = /** @type {HTMLElement} */ ($("[data-watch]"));
const stage = /** @type {HTMLElement} */ ($("[data-camera]"));
const viewer = new CameraViewer(stage);
let size = "";

/** @param {number} width @param {number} height */
function shape(width, height) {
  if (width && height) watch.style.setProperty("--ratio", String(width / height));
}

viewer.addEventListener("frame", (event) => {
  const { width, height } = /** @type {CustomEvent} */ (event).detail.header;
  const words = `${width} × ${height}`;
  if (words === size) return;
  size = words;
  $("[data-size]").textContent = words;
  shape(width, height);
});
viewer.addEventListener("over", (event) => {
  event.preventDefault();
  viewer.stop();
  if (document.fullscreenElement) document.exitFullscreen();
  watch.remove(); // with the last picture: it is no longer theirs to see
  $("#toasts").replaceChildren();
  const words = $("[data-over]");
  words.hidden = false;
  words.focus();
});

shape(Number(stage.dataset.width), Number(stage.dataset.height));
keys(null);
detectionsToggle($("[data-detections]"), (on) => {
  viewer.picture.detections = on;
});
fullScreenButton($("[data-full-screen]"), stage);
viewer.start();
