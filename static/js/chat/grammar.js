import markdownit from "../../vendor/markdown-it.min.js";

/**
 * The Markdown of messages: CommonMark, tables, strikethrough; HTML is text, and what is not a
 * permitted link stays as it was written. chats/markdown.py reads the same, with the same bounds.
 */

/** Longer texts, in UTF-16 units, are shown as they are. */
export const MOST = 64 * 1024;
const NESTING = 20; // levels of blocks and of inline markup, each
const PERMITTED = /^(?:https?:\/\/|mailto:|\/(?![/\\]))[!-[\]-~]*$/i; // printable ASCII, no backslash
const EDGES = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g; // what JavaScript or Python calls space
const LABEL = /^[ \t]*([\w+#.-]{1,32})/;

const parser = markdownit("commonmark", { html: false, maxNesting: NESTING }).enable(["table", "strikethrough"]);
parser.validateLink = permitted;

/** @typedef {{references?: Record<string, {href: string}>}} Env link definitions, by their label */
/** @typedef {any} Token of markdown-it */

/**
 * Whether a link may lead there: the web, mail, or a page of this site.
 * @param {string} href as normalised by the parser
 */
export function permitted(href) {
  return PERMITTED.test(href) && (href.startsWith("/") || isAddress(href));
}

/** @param {string} href */
function isAddress(href) {
  try {
    return Boolean(new URL(href));
  } catch {
    return false; // such as a port above 65535; the server's cleaner refuses the same
  }
}

/** One kind of line end, no NUL, no byte order mark. @param {string} text */
export function normal(text) {
  if (!/[\r\0\ufeff]/.test(text)) return text;
  return text.replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd").replaceAll("\ufeff", "");
}

/**
 * The blocks of a text; what is in their lines is left unread.
 * @param {string} text
 * @param {Env} env gains the definitions found in it
 * @returns {Token[]}
 */
export function blockTokens(text, env) {
  const tokens = [];
  parser.block.parse(text, parser, env, tokens);
  return tokens;
}

/**
 * What is in the lines of one block.
 * @param {string} content
 * @param {Env} env
 * @returns {Token[]}
 */
export function inlineTokens(content, env) {
  const tokens = [];
  parser.inline.parse(content, parser, env, tokens);
  return tokens;
}

/** @param {string} content */
export function trimmed(content) {
  return content.replace(EDGES, "");
}

/** The language of a code block, as its author named it. @param {string} info */
export function languageOf(info) {
  return LABEL.exec(info)?.[1] ?? "Code";
}
