import { fill } from "./tree.js";

/** @typedef {import("./node.js").Node} Node */

/**
 * Make the DOM that shows `old` show `now`, touching what differs and nothing else. Nodes are told
 * by their place: a text only grows at its end. Nothing but text nodes and attributes is written.
 * @param {Element} parent whose last children show `old`
 * @param {Node[]} old
 * @param {Node[]} now
 */
export function patch(parent, old, now) {
  const both = Math.min(old.length, now.length);
  for (let at = 0; at < both; at += 1) {
    if (old[at] === now[at]) continue;
    if (old[at].tag === now[at].tag) update(old[at], now[at]);
    else old[at].dom.replaceWith(make(parent.ownerDocument, now[at]));
  }
  for (let at = both; at < old.length; at += 1) old[at].dom.remove();
  for (let at = both; at < now.length; at += 1) parent.append(make(parent.ownerDocument, now[at]));
}

/**
 * @param {Document} document
 * @param {Node} node
 */
function make(document, node) {
  if (!node.tag) return (node.dom = document.createTextNode(node.text));
  fill(node);
  const dom = document.createElement(node.tag);
  for (let at = 0; at < node.attrs.length; at += 2) dom.setAttribute(node.attrs[at], node.attrs[at + 1]);
  for (const child of node.children) dom.append(make(document, child));
  return (node.dom = dom);
}

/**
 * @param {Node} old
 * @param {Node} now of the same tag
 */
function update(old, now) {
  const dom = (now.dom = old.dom);
  if (!now.tag) {
    if (old.text === now.text) return;
    if (now.text.startsWith(old.text)) dom.appendData(now.text.slice(old.text.length));
    else dom.data = now.text;
    return;
  }
  attributes(dom, old.attrs, now.attrs);
  if (now.content !== null && now.content === old.content && now.key === old.key) {
    now.children = old.children;
    return;
  }
  fill(now);
  patch(dom, old.children, now.children);
}

/**
 * @param {Element} dom
 * @param {string[]} old
 * @param {string[]} now
 */
function attributes(dom, old, now) {
  if (old.length === now.length && old.every((word, at) => word === now[at])) return;
  for (let at = 0; at < old.length; at += 2) dom.removeAttribute(old[at]);
  for (let at = 0; at < now.length; at += 2) dom.setAttribute(now[at], now[at + 1]);
}
