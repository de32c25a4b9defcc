import { sentenceOf } from "../shell/problem.js";
import { toast } from "../shell/toast.js";

/**
 * A link to the newest picture, saved as a file; where there is none, the reason is said.
 * @param {HTMLAnchorElement} link with `data-camera` and `data-filename`
 */
export function snapshotLink(link) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    if (link.ariaBusy === "true") return;
    link.ariaBusy = "true";
    try {
      const answer = await fetch(link.href, { cache: "no-store" });
      if (!answer.ok) {
        toast(`No snapshot. ${await sentenceOf(answer)}`, { about: "snapshot", error: true });
        return;
      }
      save(await answer.blob(), nameFor(link.dataset.filename ?? "snapshot", answer));
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
 * @param {Response} answer
 */
function nameFor(base, answer) {
  const taken = Number(answer.headers.get("X-Timestamp")) || Date.now();
  return `${base}-${new Date(taken).toISOString().slice(0, 19).replaceAll(":", "-")}Z.jpg`;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: address, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
