const NEAR_PX = 80;

/**
 * Keeps the end of a growing page in view, until the reader scrolls up. Dispatches "following" when
 * `isFollowing` changes.
 */
export class AutoScroll extends EventTarget {
  #scroller;
  #isFollowing = true;
  #top = 0; // last known scrollTop

  /** @param {Element} scroller such as `document.scrollingElement` */
  constructor(scroller) {
    super();
    this.#scroller = scroller;
    const page = scroller.ownerDocument;
    const source = scroller === page.scrollingElement ? page : scroller; // the page's events fire on the document
    source.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    source.addEventListener("wheel", (event) => this.#onWheel(/** @type {WheelEvent} */ (event)), { passive: true });
  }

  /** Whether the end is kept in view. */
  get isFollowing() {
    return this.#isFollowing;
  }

  /** Call after the content has grown. Reads the layout once and writes it once. */
  contentGrew() {
    if (this.#isFollowing) this.#scroll();
  }

  /** Scroll to the end, and follow it from now on. */
  toEnd() {
    this.#scroll();
    this.#setFollowing(true);
  }

  #scroll() {
    const scroller = this.#scroller;
    const end = Math.max(0, scroller.scrollHeight - scroller.clientHeight);
    scroller.scrollTop = end;
    this.#top = end; // not read back: that would force another layout
  }

  /** Scrolling down near the end follows again; up by a single pixel stops, else each update would pull back. */
  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const remaining = scrollHeight - clientHeight - scrollTop;
    if (remaining <= 1) this.#setFollowing(true);
    else if (scrollTop < this.#top - 1) this.#setFollowing(false);
    else if (remaining <= NEAR_PX && scrollTop > this.#top) this.#setFollowing(true);
    this.#top = scrollTop;
  }

  /** The wheel event fires before the page scrolls. @param {WheelEvent} event */
  #onWheel(event) {
    if (event.deltaY < 0 && !event.ctrlKey && this.#scroller.scrollTop > 0) this.#setFollowing(false);
  }

  /** @param {boolean} isFollowing */
  #setFollowing(isFollowing) {
    if (this.#isFollowing === isFollowing) return;
    this.#isFollowing = isFollowing;
    this.dispatchEvent(new Event("following"));
  }
}
