import { Conversation } from "../chat/conversation.js";
import { ChatList } from "../chat/list.js";
import { ChatMenu } from "../chat/menu.js";
import { Tabs } from "../chat/tabs.js";

const main = /** @type {HTMLElement} */ (document.querySelector("[data-conversation]"));
const menu = /** @type {HTMLElement} */ (document.getElementById("chat-menu"));
const { api = "", pages = "" } = main.dataset;

const conversation = new Conversation(main);
const list = new ChatList(
  /** @type {HTMLElement} */ (document.querySelector("[data-list]")),
  () => conversation.chat,
);
/** @param {import("../chat/tabs.js").News} news */
async function heard({ chat, what }) {
  if (chat === conversation.chat) {
    conversation.gone = what === "gone"; // it stays in sight, for it can be brought back
    if (what === "changed") await conversation.refresh();
  }
  await list.refresh();
}

const tabs = new Tabs(heard);
conversation.onnews = () => {
  tabs.tell({ chat: conversation.chat, what: "changed" });
  list.refresh();
};
new ChatMenu(menu, api, async (chat, what) => {
  tabs.tell({ chat, what });
  await heard({ chat, what });
});

// What was asked elsewhere meanwhile, on another device perhaps.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  list.refresh();
  conversation.refresh();
});
