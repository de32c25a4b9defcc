import { detectionFact } from "./detection-state.js";
import { Rate } from "./rate.js";

const INTERVAL_MS = 500;

/**
 * Show state, viewers, frame rate, size, delay and detection of a camera in the elements with `data-fact`.
 * @param {EventTarget} viewer a CameraViewer
 */
export function showFacts(viewer) {
  const rate = new Rate();
  /** @type {import("./frames.js").FrameHeader | null} */
  let newest = null;
  let isLive = false;
  let interval = "";
  viewer.addEventListener("frame", (event) => {
    const { header, arrival } = /** @type {CustomEvent} */ (event).detail;
    rate.count(arrival);
    newest = header;
  });
  viewer.addEventListener("view", (event) => {
    const view = /** @type {import("./freshness.js").View} */ (/** @type {CustomEvent} */ (event).detail);
    isLive = view.state === "live";
    interval = view.interval;
    setFact("state", view.reason ? `${view.label}. ${view.reason}` : view.label);
  });
  viewer.addEventListener("status", (event) => {
    const { viewers } = /** @type {CustomEvent} */ (event).detail;
    if (viewers !== undefined) setFact("viewers", String(viewers));
  });
  setInterval(() => {
    const fps = rate.perSecond(performance.now());
    setFact("fps", interval || (fps ? `${fps.toFixed(1)} fps` : "–"));
    setFact("size", newest ? `${newest.width} × ${newest.height}` : "–");
    setFact("delay", newest && isLive ? `${(newest.age_ms / 1000).toFixed(2)} s` : "–");
    setFact("detection", newest && isLive ? detectionFact(newest) : "–");
  }, INTERVAL_MS);
}

/** @param {string} name @param {string} text */
function setFact(name, text) {
  const element = document.querySelector(`[data-fact="${name}"]`);
  if (element && element.textContent !== text) element.textContent = text;
}
