import * as geometry from "./areas.js";
import { MaskModel } from "./model.js";
import { MaskOverlay, indexesOf } from "./overlay.js";

/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Corner} Corner */

const STEP = 0.005; // of the picture, per arrow key
const LARGE_STEP = 0.05; // with Shift
const CLICK_PX = 6; // a pointer that moved less is a click
const CLOSE_PX = 16; // a click this near to the first corner closes the area
const ARROWS = /** @type {Record<string, Corner>} */ ({
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
});

/**
 * Editor of a camera's privacy masks over its last picture, by pointer or keyboard. Each change is
 * written to the form's hidden field.
 */
export class MaskEditor {
  #root;
  #stage;
  #field;
  #status;
  #model;
  #overlay;
  /** @type {Corner[]} of an unfinished area */
  #draft = [];
  /**
   * @type {{from: Corner, x: number, y: number, area: Area | null, hasMoved: boolean} | null}
   *   `area`: as it was before the drag; null while a new one is drawn
   */
  #drag = null;

  /** @param {HTMLElement} root with `[data-masks-stage]`, `[data-masks-said]`, a hidden field and buttons */
  constructor(root) {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
    this.#root = root;
    this.#stage = /** @type {HTMLElement} */ (find("[data-masks-stage]"));
    this.#field = /** @type {HTMLInputElement} */ (find("input[name=masks]"));
    this.#status = /** @type {HTMLElement} */ (find("[data-masks-said]"));
    this.#model = new MaskModel(this.#field.value);
    this.#overlay = new MaskOverlay(this.#stage);
    this.#fitStage(find("img"));
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (root.querySelectorAll("[data-masks-act]"))) {
      button.addEventListener("click", () => this.#run(button.dataset.masksAct ?? ""));
      button.hidden = false;
    }
    this.#stage.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    this.#stage.addEventListener("pointermove", (event) => this.#pointerMove(event));
    this.#stage.addEventListener("pointerup", (event) => this.#pointerUp(event));
    this.#stage.addEventListener("pointercancel", () => this.#cancel());
    this.#stage.addEventListener("keydown", (event) => this.#keyDown(event));
    this.#stage.addEventListener("focusin", (event) => this.#focusIn(event));
    new ResizeObserver(() => this.#draw()).observe(this.#stage);
    this.#draw();
    this.#show(this.#model.countText());
  }

  /** Give the stage the aspect ratio of the picture. @param {HTMLImageElement | null} picture */
  #fitStage(picture) {
    const setRatio = () => {
      if (!picture?.naturalWidth) return;
      this.#stage.style.setProperty("--ratio", String(picture.naturalWidth / picture.naturalHeight));
    };
    picture?.addEventListener("load", setRatio);
    picture?.addEventListener("error", () => picture.remove()); // expired: draw on the empty grid
    setRatio();
  }

  /** @param {string} action */
  #run(action) {
    const ratio = this.#stage.clientWidth / (this.#stage.clientHeight || 1);
    this.#draft = [];
    if (action === "add") this.#finish(this.#model.add(geometry.newArea(this.#model.areas.length)));
    else if (action === "split") this.#finish(this.#model.addCorner(ratio));
    else if (action === "remove-corner") this.#finish(this.#model.removeCorner());
    else this.#finish(this.#model.removeArea());
  }

  /** Save, redraw, move the focus, show a sentence. @param {string} sentence */
  #finish(sentence) {
    this.#save();
    this.#overlay.focus(this.#model);
    this.#show(sentence);
  }

  #save() {
    this.#field.value = this.#model.text;
    this.#draw();
  }

  /** @param {string} sentence */
  #show(sentence) {
    if (this.#status.textContent !== sentence) this.#status.textContent = sentence;
  }

  /** @param {Area} outline of the unfinished area */
  #draw(outline = this.#draft) {
    this.#overlay.render(this.#model, this.#draft, outline);
    const noArea = this.#model.areaIndex < 0;
    const noCorner = this.#model.cornerIndex < 0;
    for (const [action, disabled] of Object.entries({ split: noArea, "remove-corner": noCorner, remove: noArea })) {
      const button = /** @type {HTMLButtonElement} */ (this.#root.querySelector(`[data-masks-act="${action}"]`));
      button.disabled = disabled;
    }
  }

  /** @param {PointerEvent} event @returns {Corner} */
  #cornerAt(event) {
    const box = this.#stage.getBoundingClientRect();
    return geometry.clamp([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  }

  /** @param {PointerEvent} event */
  #pointerDown(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const { area, corner, edge } = indexesOf(event.target);
    const start = { from: this.#cornerAt(event), x: event.clientX, y: event.clientY, hasMoved: false };
    this.#stage.setPointerCapture(event.pointerId);
    if (this.#draft.length || area < 0) {
      this.#drag = { ...start, area: null };
      return;
    }
    event.preventDefault(); // the focus is set by #finish
    this.#model.select(area, edge >= 0 ? edge : corner);
    if (edge >= 0) this.#run("split");
    else this.#finish(this.#model.selectionText());
    this.#drag = { ...start, area: this.#model.areas[area] };
  }

  /** @param {PointerEvent} event */
  #pointerMove(event) {
    const drag = this.#drag;
    const here = this.#cornerAt(event);
    if (!drag) {
      if (this.#draft.length) this.#draw([...this.#draft, here]);
      return;
    }
    drag.hasMoved ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > CLICK_PX;
    if (!drag.hasMoved) return;
    if (drag.area) {
      this.#model.move(drag.area, [here[0] - drag.from[0], here[1] - drag.from[1]]);
      this.#save();
    } else if (!this.#draft.length) {
      this.#draw(geometry.rectangle(drag.from, here));
    }
  }

  /** @param {PointerEvent} event */
  #pointerUp(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag) return;
    if (drag.area) {
      if (drag.hasMoved) this.#show(this.#model.selectionText());
    } else if (drag.hasMoved && !this.#draft.length) {
      this.#finish(this.#model.add(geometry.rectangle(drag.from, this.#cornerAt(event))));
    } else {
      this.#addPoint(this.#cornerAt(event));
    }
  }

  #cancel() {
    if (this.#drag?.area) this.#model.replaceSelected(this.#drag.area);
    this.#drag = null;
    this.#save();
  }

  /** Add a corner to the unfinished area, or close it. @param {Corner} here */
  #addPoint(here) {
    if (this.#model.isFull) return this.#show(this.#model.fullText());
    const [first] = this.#draft;
    const { clientWidth, clientHeight } = this.#stage;
    const distance = first
      ? Math.hypot((here[0] - first[0]) * clientWidth, (here[1] - first[1]) * clientHeight)
      : Infinity;
    if (distance < CLOSE_PX || this.#draft.length >= geometry.MAX_CORNERS) return this.#close();
    this.#draft = [...this.#draft, here];
    this.#model.select(-1);
    this.#stage.focus({ preventScroll: true });
    this.#draw();
    this.#show(this.#draft.length < geometry.MIN_CORNERS
      ? "Click the next corner."
      : "Click the next corner, or close the area by its first corner or Enter.");
  }

  #close() {
    const drawn = this.#draft;
    if (drawn.length < geometry.MIN_CORNERS) return this.#show("An area has at least three corners.");
    this.#draft = [];
    this.#finish(this.#model.add(drawn));
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    const area = this.#model.selectedArea;
    if (event.key === "Escape" && this.#draft.length) {
      this.#draft = [];
      this.#draw();
      this.#show("The drawing was discarded.");
    } else if (event.key === "Enter" && this.#draft.length) {
      this.#close();
    } else if (area && event.key in ARROWS) {
      const by = event.shiftKey ? LARGE_STEP : STEP;
      const [dx, dy] = ARROWS[event.key];
      this.#finish(this.#model.move(area, [dx * by, dy * by]));
    } else if (area && ["Delete", "Backspace"].includes(event.key)) {
      this.#run(this.#model.cornerIndex >= 0 ? "remove-corner" : "remove");
    } else if (area && event.key === "Insert") {
      this.#run("split");
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // Escape and arrows are shortcuts of the page, too
  }

  /** @param {FocusEvent} event */
  #focusIn(event) {
    const { area, corner } = indexesOf(event.target);
    if (area < 0 || (area === this.#model.areaIndex && corner === this.#model.cornerIndex)) return;
    this.#model.select(area, corner);
    this.#draw();
  }
}
