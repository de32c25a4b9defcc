import * as geometry from "./areas.js";

/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Corner} Corner */

/**
 * The areas of one camera, and which of them, or of its corners, is chosen (-1 for none). What is
 * done to them answers with a sentence. No document here.
 */
export class Edits {
  #before;

  /** @param {string} text as the form's field has it */
  constructor(text) {
    /** @type {Area[]} */
    this.areas = geometry.read(text);
    this.area = -1;
    this.corner = -1;
    this.#before = this.text;
  }

  /** For the form's field. */
  get text() {
    return geometry.written(this.areas);
  }

  /** @returns {Area | undefined} */
  get chosen() {
    return this.areas[this.area];
  }

  get isFull() {
    return this.areas.length >= geometry.AREAS_MOST;
  }

  /** @param {number} area @param {number} corner -1 for the whole area */
  choose(area, corner = -1) {
    this.area = area;
    this.corner = corner;
    return this.placeWords();
  }

  /** @param {Area} area in the chosen one's place */
  change(area) {
    this.areas = this.areas.map((one, at) => (at === this.area ? area : one));
  }

  /** The chosen corner, or the whole area, goes so far from where it was. @param {Area} from @param {Corner} by */
  move(from, by) {
    const corner = from[this.corner];
    this.change(corner
      ? geometry.withCorner(from, this.corner, [corner[0] + by[0], corner[1] + by[1]])
      : geometry.moved(from, by));
    return this.placeWords();
  }

  /** @param {Area} area */
  add(area) {
    if (this.isFull) return this.fullWords();
    this.areas = [...this.areas, area];
    this.choose(this.areas.length - 1);
    return this.countWords();
  }

  /** A corner more, after the chosen one or in the longest edge. @param {number} ratio of the picture */
  split(ratio) {
    if (!this.chosen) return "";
    const at = this.corner >= 0 ? this.corner : geometry.longestEdge(this.chosen, ratio);
    const made = geometry.split(this.chosen, at);
    if (!made) return `An area has at most ${geometry.CORNERS_MOST} corners.`;
    this.change(made);
    return this.choose(this.area, at + 1);
  }

  removeCorner() {
    if (!this.chosen || this.corner < 0) return "";
    const left = geometry.without(this.chosen, this.corner);
    if (!left) return "An area has at least three corners. Delete the whole area instead.";
    this.change(left);
    this.choose(this.area, Math.min(this.corner, left.length - 1));
    return `The corner is deleted; ${left.length} are left.`;
  }

  removeArea() {
    this.areas = this.areas.filter((_, at) => at !== this.area);
    this.choose(Math.min(this.area, this.areas.length - 1));
    return this.countWords();
  }

  countWords() {
    const count = this.areas.length;
    const words = count ? `${count} ${count === 1 ? "area" : "areas"}.` : "No area.";
    return this.text === this.#before ? words : `${words} The change takes effect when you save.`;
  }

  fullWords() {
    return `A camera has at most ${geometry.AREAS_MOST} areas.`;
  }

  placeWords() {
    if (!this.chosen) return "";
    const corner = this.chosen[this.corner];
    const name = corner ? `Corner ${this.corner + 1} of area ${this.area + 1}` : `Area ${this.area + 1}`;
    return `${name}: ${geometry.placeWords(corner ?? geometry.centre(this.chosen))}.`;
  }
}
