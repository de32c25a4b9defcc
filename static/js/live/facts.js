import { Rate } from "./rate.js";

const INTERVAL_MS = 500;

/**
 * Show state, viewers, frame rate, size and delay of a camera in the elements with `data-fact`.
 * @param {EventTarget} viewer a CameraViewer
 */
export function showFacts(viewer) {
  const rate = new Rate();
  /** @type {{width: number, height: number, age_ms: number} | null} */
  let newest = null;
  let isLive = false;
  viewer.addEventListener("frame", (event) => {
    const { header, arrival } = /** @type {CustomEvent} */ (event).detail;
    rate.count(arrival);
    newest = header;
  });
  viewer.addEventListener("view", (event) => {
    const { state, label, reason } = /** @type {CustomEvent} */ (event).detail;
    isLive = state === "live";
    setFact("state", reason ? `${label}. ${reason}` : label);
  });
  viewer.addEventListener("status", (event) => {
    const { viewers } = /** @type {CustomEvent} */ (event).detail;
    if (viewers !== undefined) setFact("viewers", String(viewers));
  });
  setInterval(() => {
    setFact("fps", newest ? rate.perSecond(performance.now()).toFixed(1) : "–");
    setFact("size", newest ? `${newest.width} × ${newest.height}` : "–");
    setFact("delay", newest && isLive ? `${(newest.age_ms / 1000).toFixed(2)} s` : "–");
  }, INTERVAL_MS);
}

/** @param {string} name @param {string} text */
function setFact(name, text) {
  const element = document.querySelector(`[data-fact="${name}"]`);
  if (element && element.textContent !== text) element.textContent = text;
}
