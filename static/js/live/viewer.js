import { StatusBadge } from "./badge.js";
import { detectionSummary } from "./counts.js";
import { currentDetections, detectionCount } from "./detection-state.js";
import { Freshness } from "./freshness.js";
import { Picture } from "./picture.js";
import { CameraStream } from "./stream.js";
import { toast } from "../shell/toast.js";

const TICK_MS = 100;
const TOAST_FROM_FAILURE = 2; // one failure that is repaired by the first attempt needs no toast

/**
 * One camera on a page: stream, picture, badge. The element has `data-camera`, `data-name`,
 * `data-stream`, `data-detail` or `data-ticket`, `data-zone`, `data-kind` and the camera's state when the
 * page was rendered. `data-count="full"` in it also tells why nothing is counted.
 *
 * Dispatches "frame" `{header, arrival}`, "status" (of stream.js), "view" (of freshness.js) and "ended",
 * when the stream will not be retried; preventing the default of "ended" suppresses the toast.
 */
export class CameraViewer extends EventTarget {
  #element;
  #freshness;
  #badge;
  #count;
  #note;
  #stream;
  /** @type {import("./stream.js").Connection} */
  #connection = { phase: "connecting", message: "" };
  #failures = 0;
  #announcedState = "";
  #isStarted = false;
  #ticker = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    super();
    const data = element.dataset;
    this.#element = element;
    this.picture = new Picture(/** @type {HTMLCanvasElement} */ (element.querySelector("canvas")));
    this.#badge = new StatusBadge(/** @type {HTMLElement} */ (element.querySelector("[data-badge]")));
    this.#count = /** @type {HTMLElement | null} */ (element.querySelector("[data-count]"));
    this.#note = element.querySelector("[data-note]");
    this.#freshness = new Freshness(data.zone ?? "UTC", {
      state: data.state,
      since: Number(data.since),
      reason: data.reason,
      pictureAt: data.pictureAt ? Number(data.pictureAt) : null,
      isPushed: data.kind === "push",
    });
    const target = {
      path: data.stream ?? "",
      detail: data.detail ?? "",
      camera: data.camera ?? "",
      ticket: data.ticket,
    };
    this.#stream = new CameraStream(target, {
      frame: (frame) => this.#showFrame(frame),
      status: (status) => this.#setStatus(status),
      connection: (connection) => this.#setConnection(connection),
    });
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    addEventListener("pageshow", () => this.#visibilityChanged());
  }

  /**
   * Request another variant of the pictures.
   * @param {string} query such as `?width=320&fps=5`, or empty
   */
  setVariant(query) {
    this.#stream.setVariant(query);
  }

  start() {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#ticker = setInterval(() => this.#update(), TICK_MS);
    this.#stream.start();
    this.#update();
  }

  /** Receive, draw and announce nothing until `start`. */
  stop() {
    if (!this.#isStarted) return;
    this.#isStarted = false;
    clearInterval(this.#ticker);
    this.#stream.stop();
  }

  get #isActive() {
    return this.#isStarted && !document.hidden;
  }

  #visibilityChanged() {
    if (this.#isActive) return this.#update();
    this.#freshness.pause();
    this.#show(); // without an announcement: the last age must not stay on screen
  }

  /** @param {import("./frames.js").Frame} frame */
  async #showFrame(frame) {
    const arrival = performance.now();
    if (!(await this.picture.show(frame)) || !this.#isActive) return;
    this.#freshness.addPicture(arrival, frame.header);
    const summary = this.#summary(frame.header);
    if (this.#count && this.#count.textContent !== summary) this.#count.textContent = summary;
    this.#element.dataset.pictured = "";
    this.dispatchEvent(new CustomEvent("frame", { detail: { header: frame.header, arrival } }));
    this.#update();
  }

  /** @param {import("./frames.js").FrameHeader} header */
  #summary(header) {
    const isFull = this.#count?.dataset.count === "full";
    return isFull ? detectionCount(header) : detectionSummary(currentDetections(header));
  }

  /** @param {import("./stream.js").Status} status */
  #setStatus(status) {
    this.#freshness.setStatus(status);
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  /** @param {import("./stream.js").Connection} connection */
  #setConnection(connection) {
    this.#connection = connection;
    if (connection.phase === "open") this.#failures = 0;
    if (connection.phase === "closed") {
      this.#freshness.reset();
      this.#show();
    }
    const isLost = connection.phase === "waiting" && !connection.refused;
    if (isLost && ++this.#failures === TOAST_FROM_FAILURE) {
      toast(`${this.#element.dataset.name}: the connection was lost. Trying again.`, {
        about: "connection",
        error: true,
      });
    }
    if (connection.phase === "ended") {
      const event = new CustomEvent("ended", { cancelable: true, detail: connection });
      if (this.dispatchEvent(event)) this.#showEnd(connection);
    }
    this.#update();
  }

  /** @param {import("./stream.js").Connection} connection */
  #showEnd({ code, message }) {
    const { name } = this.#element.dataset;
    if (code !== 4401) return toast(`${name}: ${message}.`, { about: `closed ${code}`, error: true });
    const page = document.querySelector("[data-signin]")?.getAttribute("data-signin") ?? "";
    const href = `${page}?next=${encodeURIComponent(location.pathname)}`;
    toast("You are signed out.", { about: "connection", error: true, link: { href, text: "Sign in" } });
  }

  #update() {
    if (this.#isActive) this.#announce(this.#show());
  }

  /** @returns {import("./freshness.js").View} the displayed state */
  #show() {
    const view = this.#freshness.view(performance.now());
    const hasEnded = this.#connection.phase === "ended";
    if (hasEnded) Object.assign(view, { state: "offline", label: this.#connection.message, reason: "", interval: "" });
    const note = hasEnded ? "" : this.#stream.message || (view.state === "live" ? "" : view.reason);
    this.#element.dataset.state = view.state;
    this.#badge.show(view);
    if (this.#note && this.#note.textContent !== note) this.#note.textContent = note;
    this.dispatchEvent(new CustomEvent("view", { detail: view }));
    return view;
  }

  /**
   * Announce a change of state once, in the live region for screen readers. Returning to a page or a
   * tile is no change: "connecting" is skipped, and the state before it is not repeated.
   */
  #announce({ state, label }) {
    const isFirst = this.#announcedState === "";
    if (state === this.#announcedState || (!isFirst && state === "connecting")) return;
    this.#announcedState = state;
    const region = document.getElementById("spoken");
    if (region && !isFirst) region.textContent = `${this.#element.dataset.name}: ${label}`;
  }
}
