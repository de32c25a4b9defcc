import { inlineTokens, isList, isPermitted, languageOf, trim } from "./parser.js";

/**
 * Writes parsed Markdown as elements. chats/markdown.py renders the same structure. Tags are constants of
 * the parser's rules, never taken from the text.
 *
 * @typedef {import("./dom-writer.js").DomWriter} DomWriter
 * @typedef {import("./parser.js").Env} Env
 * @typedef {import("./parser.js").Token} Token
 */

const HEADINGS = { h1: "h3", h2: "h4", h3: "h5", h4: "h6", h5: "h6", h6: "h6" }; // h1 and h2 belong to the page
const REL = "noopener noreferrer nofollow";

/**
 * @param {DomWriter} writer
 * @param {Token[]} tokens of blocks
 * @param {Env} env link definitions
 */
export function writeBlocks(writer, tokens, env) {
  const key = JSON.stringify(env.references);
  writer.begin();
  for (const token of tokens) {
    if (token.type === "inline") writeContent(writer, trim(token.content), env, key);
    else if (token.type === "fence") writeCode(writer, token.content, languageOf(token.info));
    else if (token.type === "code_block") writeCode(writer, token.content, "Code");
    else if (token.nesting === 1 || token.type === "hr") {
      if (token.type === "table_open") writer.open("div", [["class", "table"]]);
      writer.open(HEADINGS[token.tag] ?? token.tag, attributesOf(token));
    }
    if (token.nesting === -1 || token.type === "hr") writer.close();
    if (token.type === "table_close") writer.close();
  }
  writer.close();
}

/** A text that is not parsed. @param {DomWriter} writer @param {string} text */
export function writePlain(writer, text) {
  writer.begin();
  writer.open("pre", [["class", "plain"]]);
  writer.leaf("code", text);
  writer.close();
  writer.close();
}

/**
 * The attributes of a block; the parser gives a cell's alignment as a style.
 * @param {Token} token
 * @returns {import("./dom-writer.js").Attributes}
 */
function attributesOf(token) {
  if (isList(token)) {
    const start = token.attrGet("start");
    /** @type {import("./dom-writer.js").Attributes} */
    const attributes = token.isTight ? [["class", "tight"]] : [];
    return start === null ? attributes : [...attributes, ["start", String(start)]];
  }
  const side = /^text-align:(left|center|right)$/.exec(token.attrGet("style") ?? "")?.[1];
  return side ? [["class", `align-${side}`]] : [];
}

/**
 * A code block with its language and a "Copy" button.
 * @param {DomWriter} writer
 * @param {string} code
 * @param {string} language
 */
function writeCode(writer, code, language) {
  writer.open("figure", [["class", "code"]]);
  writer.open("figcaption");
  writer.leaf("span", language);
  writer.open("button", [["type", "button"], ["data-copy-code", ""]]);
  if (!writer.keepContent("Copy")) writer.text("Copy"); // it may say "Copied"
  writer.close();
  writer.close();
  writer.open("pre");
  writer.leaf("code", code);
  writer.close();
  writer.close();
}

/**
 * The inline markup of one block.
 * @param {DomWriter} writer
 * @param {string} content
 * @param {Env} env
 * @param {string} key of the link definitions, on which content with a bracket may depend
 */
function writeContent(writer, content, env, key) {
  if (writer.keepContent(content.includes("[") ? `${content}\n${key}` : content)) return;
  const links = []; // whether each open link is shown; of the others, only the text is
  for (const token of inlineTokens(content, env)) {
    if (token.type === "link_open") links.push(!links.length && openLink(writer, token.attrGet("href")));
    else if (token.type === "link_close") {
      if (links.pop()) writer.close();
    } else if (token.type === "image") writeImage(writer, token, links.length > 0);
    else if (token.nesting === 1) writer.open(token.tag);
    else if (token.nesting === -1) writer.close();
    else if (token.type === "code_inline" || token.type === "hardbreak") writer.leaf(token.tag, token.content);
    else writer.text(token.type === "softbreak" ? "\n" : token.content);
  }
}

/**
 * Open a link if its target is permitted; false if not.
 * @param {DomWriter} writer
 * @param {string} href
 */
function openLink(writer, href) {
  if (!isPermitted(href)) return false;
  /** @type {import("./dom-writer.js").Attributes} */
  const target = /^https?:/i.test(href) ? [["target", "_blank"]] : [];
  writer.open("a", [["href", href], ...target, ["rel", REL]]);
  return true;
}

/**
 * Write an image as a link with its description; images are never loaded.
 * @param {DomWriter} writer
 * @param {Token} token
 * @param {boolean} isInLink HTML has no nested links
 */
function writeImage(writer, token, isInLink) {
  const isLink = !isInLink && openLink(writer, token.attrGet("src"));
  writer.text(plainText(token.children ?? []) || "Image");
  if (isLink) writer.close();
}

/** The text of inline tokens, without markup. @param {Token[]} tokens @returns {string} */
function plainText(tokens) {
  const textOf = (/** @type {Token} */ token) => {
    if (token.type === "image") return plainText(token.children ?? []);
    return token.type === "softbreak" || token.type === "hardbreak" ? " " : token.content;
  };
  return tokens.map(textOf).join("");
}
