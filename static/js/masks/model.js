import * as geometry from "./areas.js";

/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Corner} Corner */

/**
 * The areas of one camera, and the selected area or corner (index -1: none). Independent of the DOM.
 * Each change returns a sentence for the status line; empty if nothing was selected.
 */
export class MaskModel {
  #initial;

  /** @param {string} text value of the form's field */
  constructor(text) {
    /** @type {Area[]} */
    this.areas = geometry.parseAreas(text);
    this.areaIndex = -1;
    this.cornerIndex = -1;
    this.#initial = this.text;
  }

  /** The value for the form's field. */
  get text() {
    return geometry.serializeAreas(this.areas);
  }

  /** @returns {Area | undefined} */
  get selectedArea() {
    return this.areas[this.areaIndex];
  }

  get isFull() {
    return this.areas.length >= geometry.MAX_AREAS;
  }

  /** @param {number} area index @param {number} corner index; -1 for the whole area */
  select(area, corner = -1) {
    this.areaIndex = area;
    this.cornerIndex = corner;
    return this.selectionText();
  }

  /** @param {Area} area replaces the selected one */
  replaceSelected(area) {
    this.areas = this.areas.map((old, at) => (at === this.areaIndex ? area : old));
  }

  /** Move the selected corner or area. @param {Area} from the area before the move @param {Corner} by */
  move(from, by) {
    const corner = from[this.cornerIndex];
    this.replaceSelected(corner
      ? geometry.replaceCorner(from, this.cornerIndex, [corner[0] + by[0], corner[1] + by[1]])
      : geometry.translate(from, by));
    return this.selectionText();
  }

  /** @param {Area} area */
  add(area) {
    if (this.isFull) return this.fullText();
    this.areas = [...this.areas, area];
    this.select(this.areas.length - 1);
    return this.countText();
  }

  /**
   * Add a corner after the selected one, or in the longest edge.
   * @param {number} ratio width / height of the picture
   */
  addCorner(ratio) {
    if (!this.selectedArea) return "";
    const at = this.cornerIndex >= 0 ? this.cornerIndex : geometry.longestEdge(this.selectedArea, ratio);
    const area = geometry.splitEdge(this.selectedArea, at);
    if (!area) return `An area has at most ${geometry.MAX_CORNERS} corners.`;
    this.replaceSelected(area);
    return this.select(this.areaIndex, at + 1);
  }

  removeCorner() {
    if (!this.selectedArea || this.cornerIndex < 0) return "";
    const area = geometry.removeCorner(this.selectedArea, this.cornerIndex);
    if (!area) return "An area has at least three corners. Delete the whole area instead.";
    this.replaceSelected(area);
    this.select(this.areaIndex, Math.min(this.cornerIndex, area.length - 1));
    return `The corner is deleted; ${area.length} are left.`;
  }

  removeArea() {
    this.areas = this.areas.filter((_, at) => at !== this.areaIndex);
    this.select(Math.min(this.areaIndex, this.areas.length - 1));
    return this.countText();
  }

  countText() {
    const count = this.areas.length;
    const text = count ? `${count} ${count === 1 ? "area" : "areas"}.` : "No area.";
    return this.text === this.#initial ? text : `${text} The change takes effect when you save.`;
  }

  fullText() {
    return `A camera has at most ${geometry.MAX_AREAS} areas.`;
  }

  selectionText() {
    if (!this.selectedArea) return "";
    const corner = this.selectedArea[this.cornerIndex];
    const number = this.areaIndex + 1;
    const name = corner ? `Corner ${this.cornerIndex + 1} of area ${number}` : `Area ${number}`;
    return `${name}: ${geometry.positionText(corner ?? geometry.centre(this.selectedArea))}.`;
  }
}
