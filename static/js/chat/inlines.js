import { element, textNode } from "./node.js";
import { isPermitted } from "./parser.js";

/** @typedef {import("./node.js").Node} Node */

const TAGS = { em_open: "em", strong_open: "strong", s_open: "s" };
const REL = "noopener noreferrer nofollow";

/**
 * Nodes of the inline markup of one block.
 * @param {any[]} tokens
 * @returns {Node[]}
 */
export function inlineNodes(tokens) {
  const root = element("");
  const open = [root];
  let openLinks = 0;
  for (const token of tokens) {
    const parent = open[open.length - 1];
    if (token.nesting === 1) {
      const isLink = token.type === "link_open";
      const node = isLink ? linkNode(token.attrGet("href"), openLinks) : element(TAGS[token.type]);
      if (isLink) openLinks += 1;
      if (node) parent.children.push(node);
      open.push(node ?? parent); // of a link that is not permitted, only the text is shown
    } else if (token.nesting === -1) {
      if (token.type === "link_close") openLinks -= 1;
      open.pop();
    } else if (token.type === "image") addImage(parent, token, openLinks);
    else if (token.type === "code_inline") parent.children.push(element("code", [], textNodes(token.content)));
    else if (token.type === "hardbreak") parent.children.push(element("br"));
    else addText(parent, token.type === "softbreak" ? "\n" : token.content);
  }
  return root.children;
}

/**
 * A link; null if its target is not permitted.
 * @param {string} href
 * @param {number} openLinks enclosing links: HTML has no nested links
 */
function linkNode(href, openLinks) {
  if (openLinks || !isPermitted(href)) return null;
  const attrs = ["href", href];
  if (/^https?:/i.test(href)) attrs.push("target", "_blank");
  attrs.push("rel", REL);
  return element("a", attrs);
}

/**
 * Add an image as a link with its description; images are never loaded.
 * @param {Node} parent
 * @param {any} token
 * @param {number} openLinks enclosing links
 */
function addImage(parent, token, openLinks) {
  const description = plainText(token.children ?? []) || "Image";
  const node = linkNode(token.attrGet("src"), openLinks);
  if (!node) return addText(parent, description);
  node.children = textNodes(description);
  parent.children.push(node);
}

/** The text of inline tokens, without markup. @param {any[]} tokens @returns {string} */
function plainText(tokens) {
  const textOf = (/** @type {any} */ token) => {
    if (token.type === "image") return plainText(token.children ?? []);
    return token.type === "softbreak" || token.type === "hardbreak" ? " " : token.content;
  };
  return tokens.map(textOf).join("");
}

/** @param {string} text */
function textNodes(text) {
  return text ? [textNode(text)] : [];
}

/**
 * Append text to the last child if that is text, else as a new node.
 * @param {Node} parent
 * @param {string} text
 */
function addText(parent, text) {
  const last = parent.children[parent.children.length - 1];
  if (last && !last.tag) last.text += text;
  else if (text) parent.children.push(textNode(text));
}
