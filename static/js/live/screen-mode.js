const IDLE_MS = 3000;
const CLASS = "body-screen";

/**
 * Screen mode: the tiles fill the screen, and nothing else is on it. For a screen that nobody sits at:
 * it stays awake where the browser allows it, and the address (`?screen`) brings the mode back after a
 * reload. Escape leaves it, so does the button that is shown while the pointer moves.
 * @param {HTMLElement} enter the button that enters it
 * @param {HTMLElement} leave the button in the mode
 * @returns {() => boolean} whether the mode is on
 */
export function screenMode(enter, leave) {
  const { body } = document;
  const isOn = () => body.classList.contains(CLASS);
  let idle = 0;
  const awake = stayAwake(isOn);
  const set = (/** @type {boolean} */ on) => {
    body.classList.toggle(CLASS, on);
    leave.hidden = !on;
    const url = new URL(location.href);
    url.searchParams.delete("screen");
    // Not `searchParams.set`, which would write `screen=`.
    if (on) url.search += url.search ? "&screen" : "?screen";
    history.replaceState(null, "", url);
    awake();
    wake();
  };
  const wake = () => {
    clearTimeout(idle);
    delete body.dataset.idle;
    if (isOn()) idle = setTimeout(() => (body.dataset.idle = ""), IDLE_MS);
  };
  const quit = () => {
    set(false);
    if (document.fullscreenElement) document.exitFullscreen();
    enter.focus();
  };
  enter.addEventListener("click", () => {
    set(true);
    const refused = (/** @type {unknown} */ error) => console.warn("Full screen was refused", error);
    if (document.fullscreenEnabled) document.documentElement.requestFullscreen().catch(refused);
  });
  leave.addEventListener("click", quit);
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && isOn()) set(false); // Escape in full screen is no key event
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOn() && !event.defaultPrevented) quit();
    wake();
  });
  document.addEventListener("pointermove", wake);
  if (isOn()) set(true);
  return isOn;
}

/**
 * Keep the screen on. Browsers have this on HTTPS only, and end it when the page is hidden.
 * @param {() => boolean} isWanted
 * @returns {() => void} asks for it, or gives it back
 */
function stayAwake(isWanted) {
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  const update = async () => {
    if (!("wakeLock" in navigator)) return;
    if (!isWanted()) {
      await lock?.release();
      lock = null;
    } else if (!document.hidden && (!lock || lock.released)) {
      lock = await navigator.wakeLock.request("screen").catch(() => null); // low battery: no error
    }
  };
  document.addEventListener("visibilitychange", update);
  return update;
}
