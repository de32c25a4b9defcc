/** What a page may say about a frame's detections: current, behind, paused or off. Pure. */

import { detectionSummary } from "./counts.js";

/** Boxes that were found on a picture older than this, against the frame's own time, are not drawn. */
const FRESH_MS = 500;

/** @typedef {import("./frames.js").FrameHeader} FrameHeader */

/**
 * How much older the picture is on which the boxes were found; 0 if the server does not say.
 * @param {FrameHeader} header
 * @returns {number} milliseconds
 */
function delay({ timestamp, detected_at: at }) {
  return Number.isFinite(at) ? Math.max(0, timestamp - Number(at)) : 0;
}

/**
 * The boxes that may be drawn and counted: none that are late.
 * @param {FrameHeader} header
 * @returns {import("./frames.js").Detection[]}
 */
export function currentDetections(header) {
  return delay(header) <= FRESH_MS ? (header.detections ?? []) : [];
}

/**
 * Why there may be no boxes, as a text; empty if the detector has looked at this picture, or if an
 * older server does not say.
 * @param {FrameHeader} header
 */
export function detectionGap(header) {
  if (header.detecting === "off") return "detection off";
  if (header.detecting === "paused") return "detection paused";
  const late = delay(header);
  if (late > FRESH_MS) return `detection ${(late / 1000).toFixed(late < 10_000 ? 1 : 0)} s behind`;
  return header.detecting === "behind" ? "detection behind" : "";
}

/**
 * The count on a camera's own page. "Nothing detected" only where the detector looked.
 * @param {FrameHeader} header
 */
export function detectionCount(header) {
  if (header.detecting === "off") return "";
  const summary = detectionSummary(currentDetections(header));
  if (summary) return summary;
  return detectionGap(header) || (header.detecting === "on" ? "Nothing detected" : "");
}

/**
 * The fact "Detection" on a camera's own page.
 * @param {FrameHeader} header
 */
export function detectionFact(header) {
  if (header.detecting === undefined && header.detected_at === undefined) {
    return header.detections ? "on" : "off";
  }
  return detectionGap(header).replace(/^detection /, "") || "on";
}
