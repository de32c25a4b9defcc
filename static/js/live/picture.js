import { fit, labelCorner, labelText, placed } from "./boxes.js";

/** @typedef {import("./frames.js").Frame} Frame */

/**
 * Draws the newest frame and what was detected in it. Holds one decoded picture and at most one
 * that waits for the next animation frame; an older one is never drawn after a newer one.
 */
export class Picture {
  #canvas;
  #context;
  /** @type {{bitmap: ImageBitmap, header: import("./frames.js").FrameHeader} | null} */
  #shown = null;
  #newest = -1;
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
   * Decode a frame and draw it next, unless a newer one came first. Rejects where it is no picture.
   * @param {Frame} frame
   * @returns {Promise<boolean>} whether it will be drawn
   */
  async show({ header, jpeg }) {
    const turn = ++this.#newest;
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    if (turn < this.#newest && this.#shown && this.#shown.header.timestamp > header.timestamp) {
      bitmap.close();
      return false;
    }
    this.#shown?.bitmap.close();
    this.#shown = { bitmap, header };
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
    if (!this.#shown || !this.#canvas.clientWidth) return;
    const { bitmap, header } = this.#shown;
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
      this.#boxes(header.detections, { ...place, scale: place.width / header.width }, ratio);
    }
  }

  /**
   * @param {import("./frames.js").Detection[]} detections
   * @param {{x: number, y: number, width: number, height: number, scale: number}} place
   * @param {number} ratio device pixels per CSS pixel
   */
  #boxes(detections, place, ratio) {
    const style = getComputedStyle(this.#canvas);
    const colour = style.getPropertyValue("--box");
    const context = this.#context;
    const small = place.width / ratio < 480;
    const size = (small ? 11 : 13) * ratio;
    const line = (small ? 1.5 : 2) * ratio;
    context.font = `600 ${size}px ${style.fontFamily}`;
    context.textBaseline = "middle";
    for (const detection of detections) {
      const box = placed(detection.bbox, place);
      if (!box) continue;
      // The hairline lies outside the line, so the box can be told from snow and from night.
      context.lineWidth = line + 2 * ratio;
      context.strokeStyle = style.getPropertyValue("--box-edge");
      context.strokeRect(box.x, box.y, box.width, box.height);
      context.lineWidth = line;
      context.strokeStyle = colour;
      context.strokeRect(box.x, box.y, box.width, box.height);
    }
    // They come best first; where labels overlap, the best stays on top.
    for (const detection of [...detections].reverse()) {
      const box = placed(detection.bbox, place);
      if (box) this.#label(labelText(detection), box, place, { size, ratio, colour, style });
    }
  }

  /**
   * @param {string} text
   * @param {{x: number, y: number}} box
   * @param {{x: number, y: number, width: number}} place
   * @param {{size: number, ratio: number, colour: string, style: CSSStyleDeclaration}} look
   */
  #label(text, box, place, { size, ratio, colour, style }) {
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
