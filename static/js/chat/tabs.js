const CHANNEL = "sideline-chats";

/**
 * Tells the other tabs of this browser which chat has changed.
 * @typedef {{chat: string, what: "changed" | "gone"}} Change `gone`: deleted
 */
export class Tabs {
  #channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(CHANNEL) : null;

  /** @param {(change: Change) => void} onChange gets the changes of other tabs */
  constructor(onChange) {
    this.#channel?.addEventListener("message", ({ data }) => onChange(data));
  }

  /** @param {Change} change */
  broadcast(change) {
    this.#channel?.postMessage(change);
  }
}
