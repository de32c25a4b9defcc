/** The page of a share link: one camera, for a viewer without an account. */

import { followAspectRatio } from "../live/aspect-ratio.js";
import { detectionsToggle } from "../live/detections.js";
import { fullScreenButton } from "../live/fullscreen.js";
import { CameraViewer } from "../live/viewer.js";
import { ZoomControl } from "../live/zoom-control.js";
import { keyboardShortcuts } from "../shell/shortcuts.js";

const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
const stage = /** @type {HTMLElement} */ (find("[data-camera]"));
const size = /** @type {HTMLElement} */ (find("[data-size]"));
const viewer = new CameraViewer(stage);

viewer.addEventListener("frame", (event) => {
  const { width, height } = /** @type {CustomEvent} */ (event).detail.header;
  const text = `${width} × ${height}`;
  if (size.textContent !== text) size.textContent = text;
});
viewer.addEventListener("ended", (event) => {
  event.preventDefault();
  viewer.stop();
  if (document.fullscreenElement) document.exitFullscreen();
  find("[data-watch]").remove(); // including the last picture: the right to see it has ended
  find("#toasts").replaceChildren();
  find("[data-over]").hidden = false;
  find("[data-over]").focus();
});

followAspectRatio(find("[data-watch]"), stage, viewer);
keyboardShortcuts(null);
detectionsToggle(find("[data-detections]"), (on) => {
  viewer.picture.detections = on;
});
fullScreenButton(find("[data-full-screen]"), stage);
viewer.picture.labels = true;
new ZoomControl(stage, viewer.picture);
viewer.start();
