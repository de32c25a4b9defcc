import { permitted } from "./grammar.js";
import { element, textNode } from "./node.js";

/** @typedef {import("./node.js").Node} Node */

const TAGS = { em_open: "em", strong_open: "strong", s_open: "s" };
const REL = "noopener noreferrer nofollow";

/**
 * What is in the lines of one block.
 * @param {any[]} tokens
 * @returns {Node[]}
 */
export function inlines(tokens) {
  const root = element("");
  const open = [root];
  let links = 0;
  for (const token of tokens) {
    const parent = open[open.length - 1];
    if (token.nesting === 1) {
      const link = token.type === "link_open";
      const node = link ? anchor(token.attrGet("href"), links) : element(TAGS[token.type]);
      if (link) links += 1;
      if (node) parent.children.push(node);
      open.push(node ?? parent); // a link that leads nowhere is its words
    } else if (token.nesting === -1) {
      if (token.type === "link_close") links -= 1;
      open.pop();
    } else if (token.type === "image") image(parent, token, links);
    else if (token.type === "code_inline") parent.children.push(element("code", [], words(token.content)));
    else if (token.type === "hardbreak") parent.children.push(element("br"));
    else say(parent, token.type === "softbreak" ? "\n" : token.content);
  }
  return root.children;
}

/**
 * @param {string} href
 * @param {number} links that are open: HTML knows no link in a link
 */
function anchor(href, links) {
  if (links || !permitted(href)) return null;
  const attrs = ["href", href];
  if (/^https?:/i.test(href)) attrs.push("target", "_blank");
  attrs.push("rel", REL);
  return element("a", attrs);
}

/**
 * No picture is ever loaded: it is a link that says what it would show.
 * @param {Node} parent
 * @param {any} token
 * @param {number} links that are open
 */
function image(parent, token, links) {
  const said = spoken(token.children ?? []) || "Image";
  const node = anchor(token.attrGet("src"), links);
  if (!node) return say(parent, said);
  node.children = words(said);
  parent.children.push(node);
}

/** The words of a picture's description. @param {any[]} tokens @returns {string} */
function spoken(tokens) {
  const said = (/** @type {any} */ token) => {
    if (token.type === "image") return spoken(token.children ?? []);
    return token.type === "softbreak" || token.type === "hardbreak" ? " " : token.content;
  };
  return tokens.map(said).join("");
}

/** @param {string} text */
function words(text) {
  return text ? [textNode(text)] : [];
}

/**
 * Text that follows text becomes one with it.
 * @param {Node} parent
 * @param {string} text
 */
function say(parent, text) {
  const last = parent.children[parent.children.length - 1];
  if (last && !last.tag) last.text += text;
  else if (text) parent.children.push(textNode(text));
}
