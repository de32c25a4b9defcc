const NEAR_PX = 80;

/**
 * Keeps the end of a growing page in view while the reader is there, and leaves a reader alone who
 * went up. Dispatches "following" when `following` changes.
 */
export class Follower extends EventTarget {
  #scroller;
  #following = true;
  #top = 0; // where it was scrolled to when last seen

  /** @param {Element} scroller such as `document.scrollingElement` */
  constructor(scroller) {
    super();
    this.#scroller = scroller;
    const page = scroller.ownerDocument;
    const source = scroller === page.scrollingElement ? page : scroller; // where the event is heard
    source.addEventListener("scroll", () => this.#moved(), { passive: true });
    source.addEventListener("wheel", (event) => this.#wheeled(/** @type {WheelEvent} */ (event)), { passive: true });
  }

  /** Whether the end is kept in view. */
  get following() {
    return this.#following;
  }

  /** To be called after the page grew, once a flush: one read of the layout, one write. */
  grown() {
    if (this.#following) this.#down();
  }

  /** Go to the end and stay there. */
  toEnd() {
    this.#down();
    this.#set(true);
  }

  #down() {
    const scroller = this.#scroller;
    const end = Math.max(0, scroller.scrollHeight - scroller.clientHeight);
    scroller.scrollTop = end;
    this.#top = end; // not read back: that would lay the page out again
  }

  /** Down near the end is back at it; up is away, be it one pixel, or each flush would pull back. */
  #moved() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const left = scrollHeight - clientHeight - scrollTop;
    if (left <= 1) this.#set(true);
    else if (scrollTop < this.#top - 1) this.#set(false);
    else if (left <= NEAR_PX && scrollTop > this.#top) this.#set(true);
    this.#top = scrollTop;
  }

  /** The wheel is heard before the page has moved. @param {WheelEvent} event */
  #wheeled(event) {
    if (event.deltaY < 0 && !event.ctrlKey && this.#scroller.scrollTop > 0) this.#set(false);
  }

  /** @param {boolean} following */
  #set(following) {
    if (this.#following === following) return;
    this.#following = following;
    this.dispatchEvent(new Event("following"));
  }
}
