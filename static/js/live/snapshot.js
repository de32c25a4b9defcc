import { errorDetail } from "../shell/requests.js";
import { toast } from "../shell/toast.js";

/**
 * A link that saves the newest picture as a file, or shows why there is none.
 * @param {HTMLAnchorElement} link with `data-camera` and `data-filename`
 */
export function snapshotLink(link) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    if (link.ariaBusy === "true") return;
    link.ariaBusy = "true";
    try {
      const response = await fetch(link.href, { cache: "no-store" });
      if (!response.ok) {
        toast(`No snapshot. ${await errorDetail(response)}`, { about: "snapshot", error: true });
        return;
      }
      save(await response.blob(), nameFor(link.dataset.filename ?? "snapshot", response));
    } catch (error) {
      console.error(`Camera ${link.dataset.camera}: the snapshot could not be fetched`, error);
      toast("No snapshot: the server cannot be reached.", { about: "snapshot", error: true });
    } finally {
      link.ariaBusy = "false";
    }
  });
}

/**
 * @param {string} base
 * @param {Response} response
 */
function nameFor(base, response) {
  const timestamp = Number(response.headers.get("X-Timestamp")) || Date.now();
  return `${base}-${new Date(timestamp).toISOString().slice(0, 19).replaceAll(":", "-")}Z.jpg`;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
