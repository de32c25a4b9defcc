/** The page of one camera. */

import { followAspectRatio } from "../live/aspect-ratio.js";
import { detectionsToggle } from "../live/detections.js";
import { showFacts } from "../live/facts.js";
import { fullScreenButton } from "../live/fullscreen.js";
import { snapshotLink } from "../live/snapshot.js";
import { CameraViewer } from "../live/viewer.js";
import { ZoomControl } from "../live/zoom-control.js";
import { showKeptPicture } from "../masks/kept-picture.js";
import { publishButton } from "../publish/button.js";
import { linkedDialogs } from "../shell/dialogs.js";

const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
const stage = /** @type {HTMLElement} */ (find("[data-camera]"));
const viewer = new CameraViewer(stage);

followAspectRatio(/** @type {HTMLElement} */ (stage.parentElement), stage, viewer);
showFacts(viewer);
showKeptPicture(stage, viewer);
viewer.picture.labels = true;
detectionsToggle(find("[data-detections]"), (on) => {
  viewer.picture.detections = on;
});
snapshotLink(find("[data-snapshot]"));
fullScreenButton(find("[data-full-screen]"), stage);
new ZoomControl(stage, viewer.picture);
if (find("[data-publish]")) {
  publishButton(find("[data-publish]"), find("[data-publish-line]"), find("[data-publish-here]"));
}
linkedDialogs();
viewer.start();
