import { canvasBox, fit, labelCorner, labelText } from "./boxes.js";
import { isOlder } from "./frames.js";

/** @typedef {import("./frames.js").Frame} Frame */

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
    const place = fit(bitmap.width, bitmap.height, width, height);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, place.x, place.y, place.width, place.height);
    if (this.#detections && header.detections?.length) {
      this.#drawBoxes(header.detections, { ...place, scale: place.width / header.width }, ratio);
    }
  }

  /**
   * @param {import("./frames.js").Detection[]} detections
   * @param {{x: number, y: number, width: number, height: number, scale: number}} place
   * @param {number} ratio device pixels per CSS pixel
   */
  #drawBoxes(detections, place, ratio) {
    const style = getComputedStyle(this.#canvas);
    const colour = style.getPropertyValue("--box");
    const context = this.#context;
    const small = place.width / ratio < 480;
    const size = (small ? 11 : 13) * ratio;
    const line = (small ? 1.5 : 2) * ratio;
    context.font = `600 ${size}px ${style.fontFamily}`;
    context.textBaseline = "middle";
    for (const detection of detections) {
      const box = canvasBox(detection.bbox, place);
      if (!box) continue;
      // An outline in a second colour keeps the box visible on bright and on dark pictures.
      context.lineWidth = line + 2 * ratio;
      context.strokeStyle = style.getPropertyValue("--box-edge");
      context.strokeRect(box.x, box.y, box.width, box.height);
      context.lineWidth = line;
      context.strokeStyle = colour;
      context.strokeRect(box.x, box.y, box.width, box.height);
    }
    // Detections are sorted by confidence; where labels overlap, the best is drawn on top.
    for (const detection of [...detections].reverse()) {
      const box = canvasBox(detection.bbox, place);
      if (box) this.#drawLabel(labelText(detection), box, place, { size, ratio, colour, style });
    }
  }

  /**
   * @param {string} text
   * @param {{x: number, y: number}} box
   * @param {{x: number, y: number, width: number}} place
   * @param {{size: number, ratio: number, colour: string, style: CSSStyleDeclaration}} look
   */
  #drawLabel(text, box, place, { size, ratio, colour, style }) {
    const context = this.#context;
    const padding = 4 * ratio;
    const width = context.measureText(text).width + 2 * padding;
    const height = size + padding;
    const corner = labelCorner(box, width, height, place);
    context.fillStyle = colour;
    context.fillRect(corner.x, corner.y, width, height);
    context.fillStyle = style.getPropertyValue("--box-text");
    context.fillText(text, corner.x + padding, corner.y + height / 2 + ratio / 2);
  }
}
