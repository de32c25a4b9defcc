import { detectionsToggle } from "../live/detections.js";
import { fullScreenButton } from "../live/fullscreen.js";
import { publishButton } from "../publish/button.js";
import { Rate } from "../live/rate.js";
import { snapshotLink } from "../live/snapshot.js";
import { CameraViewer } from "../live/viewer.js";

const FACTS_MS = 500;

const stage = /** @type {HTMLElement} */ (document.querySelector("[data-camera]"));
const viewer = new CameraViewer(stage);
const rate = new Rate();
/** @type {{width: number, height: number, age_ms: number} | null} */
let newest = null;
let live = false;

/** @param {string} name @param {string} text */
function fact(name, text) {
  const place = document.querySelector(`[data-fact="${name}"]`);
  if (place && place.textContent !== text) place.textContent = text;
}

/** @param {number} width @param {number} height */
function shape(width, height) {
  if (width && height) stage.parentElement?.style.setProperty("--ratio", String(width / height));
}

viewer.addEventListener("frame", (event) => {
  const { header, arrival } = /** @type {CustomEvent} */ (event).detail;
  rate.count(arrival);
  if (header.width !== newest?.width || header.height !== newest?.height) shape(header.width, header.height);
  newest = header;
});
viewer.addEventListener("view", (event) => {
  const { state, words, reason } = /** @type {CustomEvent} */ (event).detail;
  live = state === "live";
  fact("state", reason ? `${words}. ${reason}` : words);
});
viewer.addEventListener("status", (event) => {
  const { viewers } = /** @type {CustomEvent} */ (event).detail;
  if (viewers !== undefined) fact("viewers", String(viewers));
});
setInterval(() => {
  fact("fps", newest ? rate.perSecond(performance.now()).toFixed(1) : "–");
  fact("size", newest ? `${newest.width} × ${newest.height}` : "–");
  fact("delay", newest && live ? `${(newest.age_ms / 1000).toFixed(2)} s` : "–");
}, FACTS_MS);

shape(Number(stage.dataset.width), Number(stage.dataset.height));
const $ = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
detectionsToggle($("[data-detections]"), (on) => {
  viewer.picture.detections = on;
});
snapshotLink($("[data-snapshot]"));
fullScreenButton($("[data-full-screen]"), stage);
if ($("[data-publish]")) publishButton($("[data-publish]"), $("[data-publish-line]"));
viewer.start();
