/** The page of chats: the list, and the open chat. */

import { Conversation } from "../chat/conversation.js";
import { ChatList } from "../chat/list.js";
import { ChatMenu } from "../chat/menu.js";
import { Tabs } from "../chat/tabs.js";

const main = /** @type {HTMLElement} */ (document.querySelector("[data-conversation]"));
const menu = /** @type {HTMLElement} */ (document.getElementById("chat-menu"));

const conversation = new Conversation(main);
const list = new ChatList(
  /** @type {HTMLElement} */ (document.querySelector("[data-list]")),
  () => conversation.chat,
);
const tabs = new Tabs(showChange);

/** @param {import("../chat/tabs.js").Change} change of this tab or another */
async function showChange({ chat, what }) {
  if (chat === conversation.chat) {
    conversation.isDeleted = what === "gone"; // it stays visible, because it can be restored
    if (what === "changed") await conversation.refresh();
  }
  await list.refresh();
}

conversation.onchange = () => {
  tabs.broadcast({ chat: conversation.chat, what: "changed" });
  list.refresh();
};
new ChatMenu(menu, main.dataset.api ?? "", async (chat, what) => {
  tabs.broadcast({ chat, what });
  await showChange({ chat, what });
});

// Chats may have changed on another device.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  list.refresh();
  conversation.refresh();
});
