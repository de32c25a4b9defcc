import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Composer } from "../../../static/js/chat/composer.js";
import { Drafts } from "../../../static/js/chat/drafts.js";

/** The part of a form element that the composer uses. */
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
  values = new Map();
  getItem = (name) => this.values.get(name) ?? null;
  setItem = (name, value) => void this.values.set(name, value);
  removeItem = (name) => void this.values.delete(name);
}
globalThis.getComputedStyle = /** @type {any} */ (() => ({ lineHeight: "20px", paddingTop: "8px", paddingBottom: "8px" }));

/** @type {Memory} */
let storage;
beforeEach(() => (storage = new Memory()));

/** @param {object} [options] */
function create(options = {}) {
  const form = /** @type {any} */ (new Element());
  const field = new Element();
  const button = new Element();
  form.querySelector = (selector) => (selector === "textarea" ? field : button);
  form.ownerDocument = Object.assign(new Element(), { open: null, querySelector: () => form.ownerDocument.open });
  const composer = new Composer(form, { chat: "c1", storage: /** @type {any} */ (storage), touch: false, ...options });
  const events = [];
  for (const name of ["send", "stop", "edit-last"]) {
    form.addEventListener(name, (event) => events.push(event.detail ? [name, event.detail.prompt] : [name]));
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
  return { form, field, button, composer, events, keys, type, press, click };
}

test("Enter sends, and empties the field", () => {
  const { field, events, type, press } = create();
  type("  What plays worked?\n");
  assert.equal(press("Enter"), true);
  assert.deepEqual([events, field.value], [[["send", "What plays worked?"]], ""]);
});

test("Shift+Enter is a new line, and Enter on a touch device", () => {
  const desktop = create();
  desktop.type("one");
  assert.equal(desktop.press("Enter", { shiftKey: true }), false);
  const phone = create({ touch: true });
  phone.type("one");
  assert.equal(phone.press("Enter"), false);
  assert.deepEqual([desktop.events, phone.events], [[], []]);
  assert.equal(phone.press("Enter", { ctrlKey: true }), true);
  assert.equal(phone.events.length, 1);
});

test("Enter in an input method does not send", () => {
  const { events, type, press } = create();
  type("試合");
  assert.equal(press("Enter", { isComposing: true }), false);
  assert.equal(press("Enter", { keyCode: 229 }), false);
  assert.deepEqual(events, []);
});

test("an empty prompt is not sent", () => {
  const { events, button, type, press, click } = create();
  assert.equal(button.disabled, true);
  type(" \n ");
  press("Enter");
  click();
  assert.deepEqual([events, button.disabled], [[], true]);
});

test("while an answer runs, the button and Escape stop it, and Enter does not send", () => {
  const { form, field, button, composer, events, type, press, click } = create();
  composer.isRunning = true;
  type("next question");
  press("Enter");
  assert.deepEqual([events, field.value], [[], "next question"]);
  assert.deepEqual([form.dataset.mode, button.textContent, button.disabled], ["stop", "Stop", false]);
  click();
  assert.equal(press("Escape", {}, form.ownerDocument), true);
  assert.deepEqual(events, [["stop"], ["stop"]]);
  composer.isRunning = false;
  press("Escape", {}, form.ownerDocument);
  click();
  assert.deepEqual(events.at(-1), ["send", "next question"]);
  assert.equal(form.dataset.mode, "send");
});

test("Escape that closes a dialog does not stop the answer", () => {
  const { form, composer, events, press } = create();
  composer.isRunning = true;
  form.ownerDocument.open = {};
  assert.equal(press("Escape", {}, form.ownerDocument), false);
  assert.deepEqual(events, []);
});

test("arrow up in an empty field edits the last prompt", () => {
  const { events, type, press } = create();
  assert.equal(press("ArrowUp"), true);
  type("a");
  assert.equal(press("ArrowUp"), false);
  assert.deepEqual(events, [["edit-last"]]);
});

test("the field grows to eight lines and shrinks again", () => {
  const { field, type, press } = create();
  for (const [lines, rows] of [[1, 1], [3, 3], [8, 8], [20, 8], [2, 2]]) {
    type(Array(lines).fill("x").join("\n"));
    assert.equal(field.rows, rows);
  }
  press("Enter");
  assert.equal(field.rows, 1);
});

test("a draft survives a reload, only for its chat", () => {
  create().type("half a question");
  assert.equal(create().field.value, "half a question");
  assert.equal(create({ chat: "c2" }).field.value, "");
});

test("a sent prompt is stored until it is accepted", () => {
  const first = create();
  first.type("question");
  first.press("Enter");
  const second = create();
  assert.equal(second.field.value, "question", "the prompt is restored after a reload");
  second.press("Enter");
  assert.deepEqual(second.keys, first.keys, "the same prompt has the same key");
  second.composer.accept();
  assert.equal(create().field.value, "");
});

test("another prompt has another key", () => {
  const { keys, composer, type, press } = create();
  for (const prompt of ["one", "two"]) {
    type(prompt);
    press("Enter");
    composer.accept();
  }
  type("two");
  press("Enter");
  assert.equal(new Set(keys).size, 3);
});

test("a refused prompt is restored and keeps its key until it is changed", () => {
  const { field, keys, composer, type, press } = create();
  type("question");
  press("Enter");
  composer.restore();
  assert.deepEqual([field.value, field.focused], ["question", true]);
  press("Enter");
  composer.restore();
  type("question?");
  press("Enter");
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

test("newer text is kept after a restored prompt", () => {
  const { field, composer, type, press } = create();
  type("first");
  press("Enter");
  type("second");
  composer.restore();
  assert.equal(field.value, "first\n\nsecond");
});

test("prompts can be sent with a full storage or without one", () => {
  const full = new Memory();
  full.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  for (const one of [null, full]) {
    const { field, events, type, press } = create({ storage: one });
    type("question");
    press("Enter");
    assert.deepEqual([events, field.value], [[["send", "question"]], ""]);
  }
  storage.setItem("chat:c1:draft", "{broken");
  assert.equal(new Drafts("c1", /** @type {any} */ (storage)).text, "");
});

test("a very long draft is not stored", () => {
  create().type("x".repeat(100_000));
  assert.equal(create().field.value, "");
});
