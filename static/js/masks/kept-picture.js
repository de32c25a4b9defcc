/**
 * The last picture of a camera whose masks were just saved, with the new masks painted over it. The
 * server deletes the stored picture at once, so without this the page would be empty until the next
 * one comes. It never leaves this tab, and holds nothing of what the masks cover.
 */

const MAX_AGE_MS = 120_000;
const MAX_WIDTH = 1280;
const MARGIN_PX = 26; // the server paints a square margin of 18 pixels, whose diagonal is 25.5
const GREY = "rgb(112 112 112)"; // as the server paints

/** @param {string} camera */
const keyOf = (camera) => `sideline.masked.${camera}`;

/**
 * Paint the areas over the picture and keep it.
 * @param {string} camera id
 * @param {HTMLImageElement} image
 * @param {import("./areas.js").Area[]} areas
 */
export function keepPicture(camera, image, areas) {
  if (!image.naturalWidth) return;
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, MAX_WIDTH / image.naturalWidth);
  canvas.width = Math.round(image.naturalWidth * scale);
  canvas.height = Math.round(image.naturalHeight * scale);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  Object.assign(context, { fillStyle: GREY, strokeStyle: GREY, lineWidth: 2 * MARGIN_PX, lineJoin: "round" });
  for (const area of areas) {
    context.beginPath();
    for (const [x, y] of area) context.lineTo(x * canvas.width, y * canvas.height);
    context.closePath();
    context.fill();
    context.stroke();
  }
  store(sessionStorage, camera, canvas.toDataURL("image/jpeg", 0.8), Date.now());
}

/**
 * @param {Storage} storage
 * @param {string} camera id
 * @param {string} picture data URL
 * @param {number} now unix ms
 */
export function store(storage, camera, picture, now) {
  try {
    storage.setItem(keyOf(camera), JSON.stringify({ picture, at: now }));
  } catch (error) {
    console.error(`Camera ${camera}: the masked picture is not kept`, error); // the storage is full
  }
}

/**
 * The kept picture as a data URL; null if there is none, or if it is older than two minutes.
 * @param {Storage} storage
 * @param {string} camera id
 * @param {number} now unix ms
 * @returns {string | null}
 */
export function keptPicture(storage, camera, now) {
  const { picture, at } = JSON.parse(storage.getItem(keyOf(camera)) ?? "{}");
  if (picture && Math.abs(now - at) <= MAX_AGE_MS) return picture;
  forgetPicture(storage, camera);
  return null;
}

/** @param {Storage} storage @param {string} camera id */
export function forgetPicture(storage, camera) {
  storage.removeItem(keyOf(camera));
}

/**
 * Show the kept picture in a camera's element that has no stored one, until the first frame.
 * @param {HTMLElement} element with `data-camera`
 * @param {EventTarget} viewer dispatches "frame"
 */
export function showKeptPicture(element, viewer) {
  const { camera = "" } = element.dataset;
  const picture = element.querySelector("img.still") ? null : keptPicture(sessionStorage, camera, Date.now());
  if (!picture) return;
  const image = Object.assign(document.createElement("img"), { className: "still", src: picture, alt: "" });
  element.querySelector(".no-picture")?.replaceWith(image);
  viewer.addEventListener("frame", () => forgetPicture(sessionStorage, camera), { once: true });
}
