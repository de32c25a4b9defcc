import { parseContent } from "./tree.js";

/** @typedef {import("./node.js").Node} Node */

/**
 * Update DOM that shows `old` to show `now`, changing only what differs. Nodes are matched by position,
 * because a streamed text grows only at its end. Content is written only as text nodes and attributes.
 * @param {Element} parent its last children show `old`
 * @param {Node[]} old
 * @param {Node[]} now
 */
export function patch(parent, old, now) {
  const common = Math.min(old.length, now.length);
  for (let at = 0; at < common; at += 1) {
    if (old[at] === now[at]) continue;
    if (old[at].tag === now[at].tag) update(old[at], now[at]);
    else old[at].dom.replaceWith(createDom(parent.ownerDocument, now[at]));
  }
  for (let at = common; at < old.length; at += 1) old[at].dom.remove();
  for (let at = common; at < now.length; at += 1) parent.append(createDom(parent.ownerDocument, now[at]));
}

/**
 * @param {Document} document
 * @param {Node} node
 */
function createDom(document, node) {
  if (!node.tag) return (node.dom = document.createTextNode(node.text));
  parseContent(node);
  const dom = document.createElement(node.tag);
  for (let at = 0; at < node.attrs.length; at += 2) dom.setAttribute(node.attrs[at], node.attrs[at + 1]);
  for (const child of node.children) dom.append(createDom(document, child));
  return (node.dom = dom);
}

/**
 * @param {Node} old
 * @param {Node} now has the same tag
 */
function update(old, now) {
  const dom = (now.dom = old.dom);
  if (!now.tag) {
    if (old.text === now.text) return;
    if (now.text.startsWith(old.text)) dom.appendData(now.text.slice(old.text.length));
    else dom.data = now.text;
    return;
  }
  updateAttributes(dom, old.attrs, now.attrs);
  if (now.content !== null && now.content === old.content && now.key === old.key) {
    now.children = old.children;
    return;
  }
  parseContent(now);
  patch(dom, old.children, now.children);
}

/**
 * @param {Element} dom
 * @param {string[]} old
 * @param {string[]} now
 */
function updateAttributes(dom, old, now) {
  if (old.length === now.length && old.every((value, at) => value === now[at])) return;
  for (let at = 0; at < old.length; at += 2) dom.removeAttribute(old[at]);
  for (let at = 0; at < now.length; at += 2) dom.setAttribute(now[at], now[at + 1]);
}
