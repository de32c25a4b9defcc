const KEY = "sideline.detections";

/**
 * The button that shows or hides boxes, remembered by this browser.
 * @param {HTMLButtonElement} button
 * @param {(on: boolean) => void} apply
 */
export function detectionsToggle(button, apply) {
  let on = localStorage.getItem(KEY) !== "off";
  const show = () => {
    button.setAttribute("aria-pressed", String(on));
    apply(on);
  };
  button.addEventListener("click", () => {
    on = !on;
    localStorage.setItem(KEY, on ? "on" : "off");
    show();
  });
  button.disabled = false;
  show();
}
