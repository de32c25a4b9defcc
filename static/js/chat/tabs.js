const CHANNEL = "sideline-chats";

/**
 * What the other tabs of this browser are told: that a chat was asked something or changed, or went.
 * @typedef {{chat: string, what: "changed" | "gone"}} News
 */
export class Tabs {
  #channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(CHANNEL) : null;

  /** @param {(news: News) => void} heard */
  constructor(heard) {
    this.#channel?.addEventListener("message", ({ data }) => heard(data));
  }

  /** @param {News} news */
  tell(news) {
    this.#channel?.postMessage(news);
  }
}
