import * as geometry from "./areas.js";
import { Drawing, placeOf } from "./drawing.js";
import { Edits } from "./edits.js";

/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Corner} Corner */

const STEP = 0.005; // of the picture, for an arrow key
const STRIDE = 0.05; // with Shift
const STILL_PX = 6; // a pointer that moved less has clicked
const CLOSE_PX = 16; // so near to its first corner a drawing is closed
const ARROWS = /** @type {Record<string, Corner>} */ ({
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
});

/**
 * Draws a camera's privacy masks over its last picture, by pointer or keyboard. What is drawn is in
 * the form's hidden field at once, and goes with the form.
 */
class MaskEditor {
  #root;
  #stage;
  #field;
  #said;
  #edits;
  #drawing;
  /** @type {Corner[]} of an area that is not closed yet */
  #draft = [];
  /** @type {{from: Corner, x: number, y: number, area: Area | null, far: boolean} | null} */
  #drag = null;

  /** @param {HTMLElement} root with `[data-masks-stage]`, `[data-masks-said]`, a hidden field and buttons */
  constructor(root) {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
    this.#root = root;
    this.#stage = /** @type {HTMLElement} */ (find("[data-masks-stage]"));
    this.#field = /** @type {HTMLInputElement} */ (find("input[name=masks]"));
    this.#said = /** @type {HTMLElement} */ (find("[data-masks-said]"));
    this.#edits = new Edits(this.#field.value);
    this.#drawing = new Drawing(this.#stage);
    this.#takeShape(find("img"));
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (root.querySelectorAll("[data-masks-act]"))) {
      button.addEventListener("click", () => this.#act(button.dataset.masksAct ?? ""));
      button.hidden = false;
    }
    this.#stage.addEventListener("pointerdown", (event) => this.#press(event));
    this.#stage.addEventListener("pointermove", (event) => this.#pull(event));
    this.#stage.addEventListener("pointerup", (event) => this.#release(event));
    this.#stage.addEventListener("pointercancel", () => this.#cancel());
    this.#stage.addEventListener("keydown", (event) => this.#key(event));
    this.#stage.addEventListener("focusin", (event) => this.#focused(event));
    new ResizeObserver(() => this.#draw()).observe(this.#stage);
    this.#draw();
    this.#say(this.#edits.countWords());
  }

  /** The stage has the picture's shape. @param {HTMLImageElement | null} picture */
  #takeShape(picture) {
    const shape = () => {
      if (!picture?.naturalWidth) return;
      this.#stage.style.setProperty("--ratio", String(picture.naturalWidth / picture.naturalHeight));
    };
    picture?.addEventListener("load", shape);
    picture?.addEventListener("error", () => picture.remove()); // gone since: the grid is left
    shape();
  }

  /** @param {string} act */
  #act(act) {
    const ratio = this.#stage.clientWidth / (this.#stage.clientHeight || 1);
    this.#draft = [];
    if (act === "add") this.#did(this.#edits.add(geometry.fresh(this.#edits.areas.length)));
    else if (act === "split") this.#did(this.#edits.split(ratio));
    else if (act === "remove-corner") this.#did(this.#edits.removeCorner());
    else this.#did(this.#edits.removeArea());
  }

  /** Something was changed or chosen. @param {string} sentence */
  #did(sentence) {
    this.#keep();
    this.#drawing.focus(this.#edits);
    this.#say(sentence);
  }

  #keep() {
    this.#field.value = this.#edits.text;
    this.#draw();
  }

  /** @param {string} sentence */
  #say(sentence) {
    if (this.#said.textContent !== sentence) this.#said.textContent = sentence;
  }

  /** @param {Area} open the outline of what is being drawn */
  #draw(open = this.#draft) {
    this.#drawing.show(this.#edits, this.#draft, open);
    const { area, corner } = this.#edits;
    for (const [act, off] of Object.entries({ split: area < 0, "remove-corner": corner < 0, remove: area < 0 })) {
      const button = /** @type {HTMLButtonElement} */ (this.#root.querySelector(`[data-masks-act="${act}"]`));
      button.disabled = off;
    }
  }

  /** @param {PointerEvent} event @returns {Corner} */
  #at(event) {
    const box = this.#stage.getBoundingClientRect();
    return geometry.clamped([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const { area, corner, edge } = placeOf(event.target);
    const start = { from: this.#at(event), x: event.clientX, y: event.clientY, far: false };
    this.#stage.setPointerCapture(event.pointerId);
    if (this.#draft.length || area < 0) {
      this.#drag = { ...start, area: null };
      return;
    }
    event.preventDefault(); // focus is set here, not where the browser would put it
    this.#edits.choose(area, edge >= 0 ? edge : corner);
    if (edge >= 0) this.#act("split");
    else this.#did(this.#edits.placeWords());
    this.#drag = { ...start, area: this.#edits.areas[area] };
  }

  /** @param {PointerEvent} event */
  #pull(event) {
    const drag = this.#drag;
    const here = this.#at(event);
    if (!drag) {
      if (this.#draft.length) this.#draw([...this.#draft, here]);
      return;
    }
    drag.far ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > STILL_PX;
    if (!drag.far) return;
    if (drag.area) {
      this.#edits.move(drag.area, [here[0] - drag.from[0], here[1] - drag.from[1]]);
      this.#keep();
    } else if (!this.#draft.length) {
      this.#draw(geometry.rectangle(drag.from, here));
    }
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag) return;
    if (drag.area) {
      if (drag.far) this.#say(this.#edits.placeWords());
    } else if (drag.far && !this.#draft.length) {
      this.#did(this.#edits.add(geometry.rectangle(drag.from, this.#at(event))));
    } else {
      this.#point(this.#at(event));
    }
  }

  #cancel() {
    if (this.#drag?.area) this.#edits.change(this.#drag.area);
    this.#drag = null;
    this.#keep();
  }

  /** One more corner of the drawing, or its end. @param {Corner} here */
  #point(here) {
    if (this.#edits.isFull) return this.#say(this.#edits.fullWords());
    const [first] = this.#draft;
    const { clientWidth, clientHeight } = this.#stage;
    const near = first && Math.hypot((here[0] - first[0]) * clientWidth, (here[1] - first[1]) * clientHeight) < CLOSE_PX;
    if (near || this.#draft.length >= geometry.CORNERS_MOST) return this.#close();
    this.#draft = [...this.#draft, here];
    this.#edits.choose(-1);
    this.#stage.focus({ preventScroll: true });
    this.#draw();
    this.#say(this.#draft.length < geometry.CORNERS_LEAST
      ? "Click the next corner."
      : "Click the next corner, or close the area by its first corner or Enter.");
  }

  #close() {
    const drawn = this.#draft;
    if (drawn.length < geometry.CORNERS_LEAST) return this.#say("An area has at least three corners.");
    this.#draft = [];
    this.#did(this.#edits.add(drawn));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const area = this.#edits.chosen;
    if (event.key === "Escape" && this.#draft.length) {
      this.#draft = [];
      this.#draw();
      this.#say("The drawing was dropped.");
    } else if (event.key === "Enter" && this.#draft.length) {
      this.#close();
    } else if (area && event.key in ARROWS) {
      const by = event.shiftKey ? STRIDE : STEP;
      const [dx, dy] = ARROWS[event.key];
      this.#did(this.#edits.move(area, [dx * by, dy * by]));
    } else if (area && ["Delete", "Backspace"].includes(event.key)) {
      this.#act(this.#edits.corner >= 0 ? "remove-corner" : "remove");
    } else if (area && event.key === "Insert") {
      this.#act("split");
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // Escape and arrows are the page's keys, too
  }

  /** @param {FocusEvent} event */
  #focused(event) {
    const { area, corner } = placeOf(event.target);
    if (area < 0 || (area === this.#edits.area && corner === this.#edits.corner)) return;
    this.#edits.choose(area, corner);
    this.#draw();
  }
}

const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-masks]"));
if (root) new MaskEditor(root);
