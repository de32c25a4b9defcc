import { WHOLE, panned, scaleText, wheelFactor, zoomed } from "./zoom.js";

const STEP = 1.5; // of a key or a button
const DOUBLE_CLICK = 2;
const ARROW_PX = 80;
const ARROWS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
});
const KEYS = /** @type {Record<string, number>} */ ({ "+": STEP, "=": STEP, "-": 1 / STEP, "−": 1 / STEP });

/**
 * Zoom of a live picture: wheel, pinch, double click, the keys + − 0 and the buttons with
 * `data-zoom="in|out|reset"`; drag or arrow keys to move. Without animation.
 */
export class ZoomControl {
  #stage;
  #picture;
  #text;
  /** @type {Map<number, {x: number, y: number}>} pointers that are down, in CSS pixels of the stage */
  #pointers = new Map();

  /**
   * @param {HTMLElement} stage with the buttons and `[data-zoom-text]` in it
   * @param {import("./picture.js").Picture} picture
   */
  constructor(stage, picture) {
    this.#stage = stage;
    this.#picture = picture;
    this.#text = stage.querySelector("[data-zoom-text]");
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    stage.addEventListener("pointermove", (event) => this.#pointerMove(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      stage.addEventListener(name, (event) => this.#pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
    }
    stage.addEventListener("dblclick", (event) => this.#doubleClick(event));
    document.addEventListener("keydown", (event) => this.#keyDown(event));
    new ResizeObserver(() => this.#change((view, size, canvas) => panned(view, { x: 0, y: 0 }, size, canvas)))
      .observe(stage);
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (stage.querySelectorAll("[data-zoom]"))) {
      button.addEventListener("click", () => this.#run(button.dataset.zoom ?? ""));
    }
    const group = /** @type {HTMLElement | null} */ (stage.querySelector("[data-zoom-group]"));
    if (group) group.hidden = false;
    this.#show();
  }

  get #isZoomed() {
    return this.#picture.view.scale > 1;
  }

  /** @param {string} action */
  #run(action) {
    if (action === "reset") this.#change(() => WHOLE);
    else this.#zoomMiddle(action === "in" ? STEP : 1 / STEP);
  }

  /**
   * @param {(view: import("./zoom.js").View, size: import("./zoom.js").Size,
   *          canvas: import("./zoom.js").Size) => import("./zoom.js").View} change
   */
  #change(change) {
    const { size, view } = this.#picture;
    if (!size) return;
    const canvas = { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
    this.#picture.view = change(view, size, canvas);
    this.#show();
  }

  #show() {
    const { scale } = this.#picture.view;
    this.#stage.toggleAttribute("data-zoomed", scale > 1);
    const text = scaleText(scale);
    if (this.#text && this.#text.textContent !== text) this.#text.textContent = text;
  }

  /** @param {number} factor @param {{x: number, y: number}} anchor */
  #zoom(factor, anchor) {
    this.#change((view, size, canvas) => zoomed(view, factor, anchor, size, canvas));
  }

  /** @param {number} factor */
  #zoomMiddle(factor) {
    this.#zoom(factor, { x: this.#stage.clientWidth / 2, y: this.#stage.clientHeight / 2 });
  }

  /** @param {MouseEvent} event */
  #pointOf(event) {
    const { left, top } = this.#stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const isOut = event.deltaY > 0;
    if (isOut && !this.#isZoomed && !event.ctrlKey) return; // there is nothing to zoom out: the page scrolls
    event.preventDefault();
    this.#zoom(wheelFactor(event), this.#pointOf(event));
  }

  /** @param {PointerEvent} event */
  #pointerDown(event) {
    if (event.button !== 0 || isControl(event.target)) return;
    this.#pointers.set(event.pointerId, this.#pointOf(event));
    if (this.#isZoomed || this.#pointers.size > 1) this.#stage.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #pointerMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const here = this.#pointOf(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, here);
    if (other) {
      const middle = { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 };
      this.#zoom(distance(here, other) / Math.max(1, distance(before, other)), middle);
    }
    const share = other ? 2 : 1; // of two fingers, each moves the middle by half of its way
    const by = { x: (here.x - before.x) / share, y: (here.y - before.y) / share };
    if (this.#isZoomed) this.#change((view, size, canvas) => panned(view, by, size, canvas));
  }

  /** @param {MouseEvent} event */
  #doubleClick(event) {
    if (isControl(event.target)) return;
    if (this.#isZoomed) this.#change(() => WHOLE);
    else this.#zoom(DOUBLE_CLICK, this.#pointOf(event));
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const arrow = ARROWS[event.key];
    if (event.key in KEYS) this.#zoomMiddle(KEYS[event.key]);
    else if (event.key === "0" && this.#isZoomed) this.#change(() => WHOLE);
    else if (arrow && this.#isZoomed) {
      const by = { x: arrow[0] * ARROW_PX, y: arrow[1] * ARROW_PX };
      this.#change((view, size, canvas) => panned(view, by, size, canvas));
    } else return;
    event.preventDefault();
  }
}

/** @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** @param {EventTarget | null} target */
function isControl(target) {
  return target instanceof Element && target.closest("button, a") !== null;
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
