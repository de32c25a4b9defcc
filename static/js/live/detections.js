const KEY = "sideline.detections";

/**
 * A toggle button for detection boxes; the choice is kept in localStorage.
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
