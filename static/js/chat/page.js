import { Conversation } from "./conversation.js";
import { ChatList } from "./list.js";
import { ChatMenu } from "./menu.js";
import { Tabs } from "./tabs.js";

const main = /** @type {HTMLElement} */ (document.querySelector("[data-conversation]"));
const menu = /** @type {HTMLElement} */ (document.getElementById("chat-menu"));
const { api = "", pages = "" } = main.dataset;

const conversation = new Conversation(main);
const list = new ChatList(
  /** @type {HTMLElement} */ (document.querySelector("[data-list]")),
  () => conversation.chat,
);
const tabs = new Tabs(({ chat, what }) => {
  list.refresh();
  if (chat !== conversation.chat) return;
  if (what === "gone") location.assign(pages);
  else conversation.refresh();
});

conversation.onnews = () => {
  tabs.tell({ chat: conversation.chat, what: "changed" });
  list.refresh();
};

new ChatMenu(menu, api, async (id, what, chat) => {
  tabs.tell({ chat: id, what: what === "gone" ? "gone" : "changed" });
  if (id === conversation.chat && what === "gone") {
    conversation.gone = true; // on this page, where the toast can bring it back
  } else if (id === conversation.chat) {
    conversation.gone = false;
    await conversation.refresh();
  }
  await list.refresh();
});

// What was asked elsewhere meanwhile, on another device perhaps.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  list.refresh();
  conversation.refresh();
});
