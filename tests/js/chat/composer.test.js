import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Composer } from "../../../static/js/chat/composer.js";
import { Drafts } from "../../../static/js/chat/drafts.js";

/** What of a form is touched. */
class Element extends EventTarget {
  dataset = {};
  value = "";
  rows = 1;
  disabled = false;
  textContent = "";
  focused = false;
  get scrollHeight() {
    return 16 + 20 * this.value.split("\n").length;
  }
  focus() {
    this.focused = true;
  }
  setSelectionRange() {}
}
class Memory {
  kept = new Map();
  getItem = (name) => this.kept.get(name) ?? null;
  setItem = (name, value) => void this.kept.set(name, value);
  removeItem = (name) => void this.kept.delete(name);
}
globalThis.getComputedStyle = /** @type {any} */ (() => ({ lineHeight: "20px", paddingTop: "8px", paddingBottom: "8px" }));

/** @type {Memory} */
let storage;
beforeEach(() => (storage = new Memory()));

/** @param {object} [options] */
function composing(options = {}) {
  const form = /** @type {any} */ (new Element());
  const field = new Element();
  const button = new Element();
  form.querySelector = (selector) => (selector === "textarea" ? field : button);
  form.ownerDocument = Object.assign(new Element(), { open: null, querySelector: () => form.ownerDocument.open });
  const composer = new Composer(form, { chat: "c1", storage: /** @type {any} */ (storage), touch: false, ...options });
  const heard = [];
  for (const name of ["send", "stop", "edit-last"]) {
    form.addEventListener(name, (event) => heard.push(event.detail ? [name, event.detail.prompt] : [name]));
  }
  const keys = [];
  form.addEventListener("send", (event) => keys.push(event.detail.key));
  const type = (text) => {
    field.value = text;
    field.dispatchEvent(new Event("input"));
  };
  const press = (key, more = {}, on = field) => {
    const event = Object.assign(new Event("keydown", { cancelable: true }), { key, ...more });
    on.dispatchEvent(event);
    return event.defaultPrevented;
  };
  const click = () => form.dispatchEvent(new Event("submit", { cancelable: true }));
  return { form, field, button, composer, heard, keys, type, press, click };
}

test("Enter sends, and empties the field", () => {
  const { field, heard, type, press } = composing();
  type("  What plays worked?\n");
  assert.equal(press("Enter"), true);
  assert.deepEqual([heard, field.value], [[["send", "What plays worked?"]], ""]);
});

test("Shift+Enter is a new line, and so is Enter on a screen's keys", () => {
  const desk = composing();
  desk.type("one");
  assert.equal(desk.press("Enter", { shiftKey: true }), false);
  const phone = composing({ touch: true });
  phone.type("one");
  assert.equal(phone.press("Enter"), false);
  assert.deepEqual([desk.heard, phone.heard], [[], []]);
  assert.equal(phone.press("Enter", { ctrlKey: true }), true);
  assert.equal(phone.heard.length, 1);
});

test("Enter that ends an input method's word sends nothing", () => {
  const { heard, type, press } = composing();
  type("試合");
  assert.equal(press("Enter", { isComposing: true }), false);
  assert.equal(press("Enter", { keyCode: 229 }), false);
  assert.deepEqual(heard, []);
});

test("nothing is not sent", () => {
  const { heard, button, type, press, click } = composing();
  assert.equal(button.disabled, true);
  type(" \n ");
  press("Enter");
  click();
  assert.deepEqual([heard, button.disabled], [[], true]);
});

test("while an answer runs the button and Escape stop it, and Enter keeps what is written", () => {
  const { form, field, button, composer, heard, type, press, click } = composing();
  composer.running = true;
  type("next question");
  press("Enter");
  assert.deepEqual([heard, field.value], [[], "next question"]);
  assert.deepEqual([form.dataset.mode, button.textContent, button.disabled], ["stop", "Stop", false]);
  click();
  assert.equal(press("Escape", {}, form.ownerDocument), true);
  assert.deepEqual(heard, [["stop"], ["stop"]]);
  composer.running = false;
  press("Escape", {}, form.ownerDocument);
  click();
  assert.deepEqual(heard.at(-1), ["send", "next question"]);
  assert.equal(form.dataset.mode, "send");
});

test("Escape that closes a dialog does not stop the answer", () => {
  const { form, composer, heard, press } = composing();
  composer.running = true;
  form.ownerDocument.open = {};
  assert.equal(press("Escape", {}, form.ownerDocument), false);
  assert.deepEqual(heard, []);
});

test("the arrow up edits the last prompt if nothing is written", () => {
  const { heard, type, press } = composing();
  assert.equal(press("ArrowUp"), true);
  type("a");
  assert.equal(press("ArrowUp"), false);
  assert.deepEqual(heard, [["edit-last"]]);
});

test("the field grows to eight lines and shrinks again", () => {
  const { field, type, press } = composing();
  for (const [lines, rows] of [[1, 1], [3, 3], [8, 8], [20, 8], [2, 2]]) {
    type(Array(lines).fill("x").join("\n"));
    assert.equal(field.rows, rows);
  }
  press("Enter");
  assert.equal(field.rows, 1);
});

test("a draft outlives the page, for its chat alone", () => {
  composing().type("half a question");
  assert.equal(composing().field.value, "half a question");
  assert.equal(composing({ chat: "c2" }).field.value, "");
});

test("what was sent is kept until it is accepted", () => {
  const first = composing();
  first.type("question");
  first.press("Enter");
  const second = composing();
  assert.equal(second.field.value, "question", "the page died before the server had it");
  second.press("Enter");
  assert.deepEqual(second.keys, first.keys, "the same question again is not a second one");
  second.composer.accepted();
  assert.equal(composing().field.value, "");
});

test("another question has another key", () => {
  const { keys, composer, type, press } = composing();
  for (const prompt of ["one", "two"]) {
    type(prompt);
    press("Enter");
    composer.accepted();
  }
  type("two");
  press("Enter");
  assert.equal(new Set(keys).size, 3);
});

test("what was not taken is back in the field, and goes with its key unless it is changed", () => {
  const { field, keys, composer, type, press } = composing();
  type("question");
  press("Enter");
  composer.refused();
  assert.deepEqual([field.value, field.focused], ["question", true]);
  press("Enter");
  composer.refused();
  type("question?");
  press("Enter");
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

test("what is written meanwhile is kept after what was not taken", () => {
  const { field, composer, type, press } = composing();
  type("first");
  press("Enter");
  type("second");
  composer.refused();
  assert.equal(field.value, "first\n\nsecond");
});

test("a browser without storage, or a full one, writes all the same", () => {
  const full = new Memory();
  full.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  for (const one of [null, full]) {
    const { field, heard, type, press } = composing({ storage: one });
    type("question");
    press("Enter");
    assert.deepEqual([heard, field.value], [[["send", "question"]], ""]);
  }
  storage.setItem("chat:c1:draft", "{broken");
  assert.equal(new Drafts("c1", /** @type {any} */ (storage)).text, "");
});

test("a very long draft stays in the field alone", () => {
  composing().type("x".repeat(100_000));
  assert.equal(composing().field.value, "");
});
