import { AgeBadge } from "./age.js";
import { countWords } from "./counts.js";
import { Freshness } from "./freshness.js";
import { Picture } from "./picture.js";
import { CameraStream } from "./stream.js";
import { toast } from "../shell/toast.js";

const TICK_MS = 100;
const TROUBLE_TRY = 2; // a connection that is back at the first try is not worth a toast

/**
 * The stream has ended for good: who prevents the default says so in another way.
 * @param {import("./stream.js").Link} link
 */
const over = (link) => new CustomEvent("over", { cancelable: true, detail: link });

/**
 * One camera on a page: stream, picture, badge. The element carries `data-camera`, `data-name`,
 * `data-stream`, `data-detail`, `data-zone` and what was known of the camera when the page was made.
 */
export class CameraViewer extends EventTarget {
  #element;
  #freshness;
  #badge;
  #count;
  #note;
  #stream;
  /** @type {import("./stream.js").Link} */
  #link = { phase: "connecting", words: "" };
  #losses = 0;
  #spoken = "";
  #started = false;
  #ticking = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    super();
    const data = element.dataset;
    this.#element = element;
    this.picture = new Picture(/** @type {HTMLCanvasElement} */ (element.querySelector("canvas")));
    this.#badge = new AgeBadge(/** @type {HTMLElement} */ (element.querySelector("[data-badge]")));
    this.#count = element.querySelector("[data-count]");
    this.#note = element.querySelector("[data-note]");
    this.#freshness = new Freshness(data.zone ?? "UTC", {
      state: data.state,
      since: Number(data.since),
      reason: data.reason,
      pictureAt: data.pictureAt ? Number(data.pictureAt) : null,
    });
    const where = { path: data.stream ?? "", detail: data.detail ?? "", camera: data.camera ?? "" };
    this.#stream = new CameraStream(where, {
      frame: (frame) => this.#frame(frame),
      status: (status) => this.#told(status),
      link: (link) => this.#linked(link),
    });
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("pageshow", () => this.#seen());
  }

  /**
   * Which variant of the pictures is enough.
   * @param {string} query such as `?width=320&fps=5`, or empty
   */
  ask(query) {
    this.#stream.ask(query);
  }

  start() {
    if (this.#started) return;
    this.#started = true;
    this.#ticking = setInterval(() => this.#tell(), TICK_MS);
    this.#stream.start();
    this.#tell();
  }

  /** Until `start` nothing is received, drawn or said. */
  stop() {
    if (!this.#started) return;
    this.#started = false;
    clearInterval(this.#ticking);
    this.#stream.stop();
  }

  get #watched() {
    return this.#started && !document.hidden;
  }

  #seen() {
    if (this.#watched) return this.#tell();
    this.#freshness.rest();
    this.#show(); // once, in silence: an age that stands still would be untrue
  }

  /** @param {import("./frames.js").Frame} frame */
  async #frame(frame) {
    const arrival = performance.now();
    if (!(await this.picture.show(frame)) || !this.#watched) return;
    this.#freshness.picture(arrival, frame.header);
    const words = countWords(frame.header.detections);
    if (this.#count && this.#count.textContent !== words) this.#count.textContent = words;
    this.#element.dataset.pictured = "";
    this.dispatchEvent(new CustomEvent("frame", { detail: { header: frame.header, arrival } }));
    this.#tell();
  }

  /** @param {import("./stream.js").Status} status */
  #told(status) {
    this.#freshness.status(status);
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  /** @param {import("./stream.js").Link} link */
  #linked(link) {
    this.#link = link;
    if (link.phase === "open") this.#losses = 0;
    if (link.phase === "closed") {
      this.#freshness.forget();
      this.#show();
    }
    if (link.phase === "waiting" && ++this.#losses === TROUBLE_TRY) {
      toast(`${this.#element.dataset.name}: the connection was lost. Trying again.`, {
        about: "connection",
        error: true,
      });
    }
    if (link.phase === "over" && this.dispatchEvent(over(link))) this.#ended(link);
    this.#tell();
  }

  /** @param {import("./stream.js").Link} link */
  #ended({ code, words }) {
    const { name } = this.#element.dataset;
    if (code !== 4401) return toast(`${name}: ${words}.`, { about: `closed ${code}`, error: true });
    const page = document.querySelector("[data-signin]")?.getAttribute("data-signin") ?? "";
    const href = `${page}?next=${encodeURIComponent(location.pathname)}`;
    toast("You are signed out.", { about: "connection", error: true, link: { href, text: "Sign in" } });
  }

  #tell() {
    if (this.#watched) this.#announce(this.#show());
  }

  /** @returns {import("./freshness.js").View} what is shown now */
  #show() {
    const view = this.#freshness.view(performance.now());
    const over = this.#link.phase === "over";
    if (over) Object.assign(view, { state: "offline", words: this.#link.words, reason: "" });
    const note = over ? "" : this.#stream.words || (view.state === "live" ? "" : view.reason);
    this.#element.dataset.state = view.state;
    this.#badge.show(view);
    if (this.#note && this.#note.textContent !== note) this.#note.textContent = note;
    this.dispatchEvent(new CustomEvent("view", { detail: view }));
    return view;
  }

  /**
   * Say a change of state, once, to those who listen instead of looking. Coming back to a page or
   * a tile is no change: "Connecting" is passed over, and the state before it is not said again.
   */
  #announce({ state, words }) {
    const first = this.#spoken === "";
    if (state === this.#spoken || (!first && state === "connecting")) return;
    this.#spoken = state;
    const region = document.getElementById("spoken");
    if (region && !first) region.textContent = `${this.#element.dataset.name}: ${words}`;
  }
}
