import markdownit from "../../vendor/markdown-it.min.js";

/**
 * The Markdown parser of messages: CommonMark with tables and strikethrough. HTML is shown as text, and
 * links that are not permitted stay as they were written. chats/markdown.py has the same rules and limits.
 */

/** Longer texts, in UTF-16 units, are shown as plain text. */
export const MAX_LENGTH = 64 * 1024;
/** Texts with more markup are shown as plain text, too. */
export const MAX_MARKUP = 24_000;
const WEIGHTS = new Uint8Array(2 ** 16); // by UTF-16 unit
for (const mark of "]*_~`|&\\") WEIGHTS[mark.charCodeAt(0)] = 1;
for (const mark of "\n<") WEIGHTS[mark.charCodeAt(0)] = 4;
WEIGHTS["[".charCodeAt(0)] = 8;
const MAX_NESTING = 20; // levels of blocks, and of inline markup
const PERMITTED_LINK = /^(?:https?:\/\/|mailto:|\/(?![/\\]))[!-[\]-~]*$/i; // printable ASCII, no backslash
const OUTER_SPACE = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g; // whitespace of JavaScript and of Python
const LANGUAGE = /^[ \t]*([\w+#.-]{1,32})/;

const parser = markdownit("commonmark", { html: false, maxNesting: MAX_NESTING }).enable(["table", "strikethrough"]);
parser.validateLink = isPermitted;

/** @typedef {{references?: Record<string, {href: string}>}} Env link definitions by label */
/** @typedef {any} Token of markdown-it */

/**
 * Whether a link target is permitted: http(s), mailto, or a path of this site.
 * @param {string} href as normalised by the parser
 */
export function isPermitted(href) {
  return PERMITTED_LINK.test(href) && (href.startsWith("/") || isUrl(href));
}

/** @param {string} href */
function isUrl(href) {
  try {
    return Boolean(new URL(href));
  } catch {
    return false; // such as a port above 65535; the server refuses the same
  }
}

/** Normalize line ends to LF; replace NUL; remove byte order marks. @param {string} text */
export function normalize(text) {
  if (!/[\r\0\ufeff]/.test(text)) return text;
  return text.replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd").replaceAll("\ufeff", "");
}

/**
 * Whether a text is parsed; if not, it is shown as it was written.
 * @param {string} text
 * @param {string} normalized
 */
export function isWithinLimits(text, normalized) {
  if (text.length > MAX_LENGTH) return false;
  let markup = 0;
  for (let at = 0; at < normalized.length; at++) markup += WEIGHTS[normalized.charCodeAt(at)];
  return markup <= MAX_MARKUP;
}

/**
 * Tokens of a text's blocks; inline markup is not parsed. Lists get a property `isTight`.
 * @param {string} text
 * @param {Env} env found link definitions are added
 * @returns {Token[]}
 */
export function blockTokens(text, env) {
  const tokens = [];
  parser.block.parse(text, parser, env, tokens);
  for (const [at, token] of tokens.entries()) if (isList(token)) token.isTight = isTight(tokens, at);
  return tokens;
}

/** Whether a list starts here. @param {Token} token */
export function isList(token) {
  return token.type === "bullet_list_open" || token.type === "ordered_list_open";
}

/**
 * Whether the paragraphs of a list's items are marked as hidden, or there are none.
 * @param {Token[]} tokens
 * @param {number} start of the list
 */
function isTight(tokens, start) {
  const { level } = tokens[start];
  for (let at = start + 1; tokens[at].level > level; at += 1) {
    if (tokens[at].type === "paragraph_open" && tokens[at].level === level + 2) return tokens[at].hidden;
  }
  return true;
}

/**
 * Tokens of the inline markup of one block.
 * @param {string} content
 * @param {Env} env
 * @returns {Token[]}
 */
export function inlineTokens(content, env) {
  const tokens = [];
  parser.inline.parse(content, parser, env, tokens);
  return tokens;
}

/** Remove leading and trailing whitespace. @param {string} content */
export function trim(content) {
  return content.replace(OUTER_SPACE, "");
}

/** The language of a code block, as the author named it; "Code" without a name. @param {string} info */
export function languageOf(info) {
  return LANGUAGE.exec(info)?.[1] ?? "Code";
}
