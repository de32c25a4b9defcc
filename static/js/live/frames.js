/**
 * The `sideline.v1` message: uint32 big-endian header length, UTF-8 JSON header, JPEG bytes.
 *
 * Frames are ordered by `run`, then by `seq`; `timestamp` rises within a run.
 *
 * @typedef {{class: string, confidence: number, bbox: [number, number, number, number],
 *            track_id?: number}} Detection
 * @typedef {{timestamp: number, run: number, seq: number, width: number, height: number, camera_id: string,
 *            age_ms: number, detections?: Detection[], detected_at?: number,
 *            detecting?: "on" | "behind" | "paused" | "off", interval?: number}} FrameHeader
 *   `detected_at`: unix ms of the picture on which the boxes were found; `interval`: seconds between two
 *   pictures of a slow camera
 * @typedef {{header: FrameHeader, jpeg: Uint8Array}} Frame
 */

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parse a message. `jpeg` is a view of the same memory, not a copy.
 * @param {ArrayBuffer} message
 * @returns {Frame}
 * @throws {RangeError | SyntaxError | TypeError} if the message is truncated or its header is invalid
 */
export function parseFrame(message) {
  if (message.byteLength < 4) throw new RangeError("The message has no header length.");
  const length = new DataView(message).getUint32(0);
  if (4 + length >= message.byteLength) throw new RangeError("The message is truncated.");
  const header = JSON.parse(utf8.decode(new Uint8Array(message, 4, length)));
  for (const name of ["timestamp", "seq", "width", "height", "age_ms"]) {
    if (!Number.isFinite(header[name])) throw new TypeError(`The header has no ${name}.`);
  }
  header.run ??= 0; // an older server numbers no runs
  return { header, jpeg: new Uint8Array(message, 4 + length) };
}

/**
 * Whether `one` precedes `other` in the order of the camera's frames.
 * @param {FrameHeader} one
 * @param {FrameHeader} other
 */
export function isOlder(one, other) {
  return one.run < other.run || (one.run === other.run && one.seq < other.seq);
}
