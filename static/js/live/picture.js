import { canvasBox, fit, labelText, visiblePart, zoomPlace } from "./boxes.js";
import { currentDetections } from "./detection-state.js";
import { isOlder } from "./frames.js";
import { placeLabels, rememberSides } from "./labels.js";
import { WHOLE } from "./zoom.js";

/**
 * @typedef {import("./frames.js").Frame} Frame
 * @typedef {{detection: import("./frames.js").Detection, box: import("./labels.js").Rect}} Found
 * @typedef {{ratio: number, size: number, line: number, font: string, colour: string, edge: string,
 *            text: string}} Look
 *   `ratio`: device pixels per CSS pixel; `size` of the text and `line` width in device pixels
 */

/**
 * Draws the newest frame and its detections. Holds one decoded frame; an older one is never drawn
 * after a newer one.
 */
export class Picture {
  #canvas;
  #context;
  /** @type {{bitmap: ImageBitmap, header: import("./frames.js").FrameHeader} | null} */
  #current = null;
  #lastNumber = -1;
  #scheduled = 0;
  #detections = true;
  #labels = false;
  #view = WHOLE;
  /** @type {Map<number | string, import("./labels.js").Side>} of the labels in the last drawing */
  #sides = new Map();

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#schedule()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#schedule());
  }

  /** Whether boxes are drawn. @param {boolean} on */
  set detections(on) {
    this.#detections = on;
    this.#schedule();
  }

  /** Whether boxes have labels. @param {boolean} on */
  set labels(on) {
    this.#labels = on;
    this.#schedule();
  }

  /** The part of the picture that is shown, see zoom.js. */
  get view() {
    return this.#view;
  }

  set view(view) {
    this.#view = view;
    this.#schedule();
  }

  /** The size of the whole picture on the page, in CSS pixels; null before the first frame. */
  get size() {
    const { clientWidth, clientHeight } = this.#canvas;
    if (!this.#current || !clientWidth) return null;
    const { width, height } = this.#current.bitmap;
    return fit(width, height, clientWidth, clientHeight);
  }

  /**
   * Decode a frame and draw it at the next animation frame. Rejects if it is not a JPEG.
   * @param {Frame} frame
   * @returns {Promise<boolean>} false if a newer frame was faster
   */
  async show({ header, jpeg }) {
    const number = ++this.#lastNumber;
    const bitmap = await createImageBitmap(new Blob([/** @type {BlobPart} */ (jpeg)], { type: "image/jpeg" }));
    if (number < this.#lastNumber && this.#current && isOlder(header, this.#current.header)) {
      bitmap.close();
      return false;
    }
    this.#current?.bitmap.close();
    this.#current = { bitmap, header };
    this.#canvas.hidden = false;
    this.#schedule();
    return true;
  }

  #schedule() {
    this.#scheduled ||= requestAnimationFrame(() => {
      this.#scheduled = 0;
      this.#draw();
    });
  }

  #draw() {
    if (!this.#current || !this.#canvas.clientWidth) return;
    const { bitmap, header } = this.#current;
    const context = this.#context;
    const ratio = devicePixelRatio || 1;
    const width = Math.round(this.#canvas.clientWidth * ratio);
    const height = Math.round(this.#canvas.clientHeight * ratio);
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      Object.assign(this.#canvas, { width, height });
    }
    const whole = fit(bitmap.width, bitmap.height, width, height);
    const place = zoomPlace(whole, this.#view, width, height);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, place.x, place.y, place.width, place.height);
    const detections = this.#detections ? currentDetections(header) : [];
    if (!detections.length) return;
    const style = getComputedStyle(this.#canvas);
    const isSmall = whole.width / ratio < 480;
    const look = {
      ratio,
      size: (isSmall ? 11 : 13) * ratio,
      line: (isSmall ? 1.5 : 2) * ratio,
      font: style.fontFamily,
      colour: style.getPropertyValue("--box"),
      edge: style.getPropertyValue("--box-edge"),
      text: style.getPropertyValue("--box-text"),
    };
    const scaled = { ...place, scale: place.width / header.width };
    const found = detections.flatMap((detection) => {
      const box = canvasBox(detection.bbox, scaled);
      return box ? [{ detection, box }] : [];
    });
    this.#drawBoxes(found, look);
    if (this.#labels) this.#drawLabels(found, visiblePart(place, width, height), look);
  }

  /** @param {Found[]} found @param {Look} look */
  #drawBoxes(found, { ratio, line, colour, edge }) {
    const context = this.#context;
    for (const { box } of found) {
      // An outline in a second colour keeps the box visible on bright and on dark pictures.
      context.lineWidth = line + 2 * ratio;
      context.strokeStyle = edge;
      context.strokeRect(box.x, box.y, box.width, box.height);
      context.lineWidth = line;
      context.strokeStyle = colour;
      context.strokeRect(box.x, box.y, box.width, box.height);
    }
  }

  /**
   * @param {Found[]} found
   * @param {import("./labels.js").Rect} bounds
   * @param {Look} look
   */
  #drawLabels(found, bounds, { ratio, size, line, font, colour, text: ink }) {
    const context = this.#context;
    const padding = 4 * ratio;
    context.font = `600 ${size}px ${font}`;
    context.textBaseline = "middle";
    const gap = line / 2 + ratio; // half of the box's outline, and its edge
    const visible = found.filter(({ box }) => isInside(box, bounds));
    const items = visible.map(({ detection, box }) => ({
      id: detection.track_id ?? null,
      box: { x: box.x - gap, y: box.y - gap, width: box.width + 2 * gap, height: box.height + 2 * gap },
      width: context.measureText(labelText(detection)).width + 2 * padding,
      height: size + padding,
    }));
    const places = placeLabels(items, bounds, this.#sides);
    this.#sides = rememberSides(items, places);
    places.forEach(({ rect }, at) => {
      context.fillStyle = colour;
      if (!rect) return this.#drawMark(visible[at].box, 7 * ratio);
      context.fillRect(rect.x, rect.y, rect.width, rect.height);
      context.fillStyle = ink;
      context.fillText(labelText(visible[at].detection), rect.x + padding, rect.y + rect.height / 2 + ratio / 2);
    });
  }

  /** A triangle in the box's corner: it has a label, for which there is no room. */
  #drawMark(/** @type {import("./labels.js").Rect} */ { x, y }, /** @type {number} */ size) {
    const context = this.#context;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + size, y);
    context.lineTo(x, y + size);
    context.fill();
  }
}

/** @param {import("./labels.js").Rect} box @param {import("./labels.js").Rect} bounds */
function isInside(box, bounds) {
  return (
    box.x < bounds.x + bounds.width &&
    box.y < bounds.y + bounds.height &&
    box.x + box.width > bounds.x &&
    box.y + box.height > bounds.y
  );
}
