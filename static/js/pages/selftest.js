/** The admin's self-test of streaming: listen in the browser and on the server, show what was found. */

import { Result, measureStream, post } from "../chat/selftest.js";

const button = /** @type {HTMLButtonElement} */ (document.querySelector("[data-selftest]"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const { begin = "", judge = "", here = "", quiet = "" } = button.dataset;

async function testFromBrowser() {
  const result = new Result(find("[data-from=browser]"));
  try {
    result.show({ state: "busy", sentence: "Listening", findings: [] });
    const { chat, bare, limit } = await post(begin, new URLSearchParams({ quiet }));
    const showProgress = (/** @type {number} */ count) =>
      result.say(count < 10 ? `Listening: event ${count} of 10` : `Waiting through ${quiet} s of silence`, "busy");
    const [measuredChat, measuredBare] = await Promise.all([
      measureStream(chat, limit, showProgress),
      measureStream(bare, limit, () => {}),
    ]);
    result.show(await post(judge, JSON.stringify({ chat: measuredChat, bare: measuredBare })));
  } catch (error) {
    console.error("The self-test could not be run", error);
    result.say("The test could not be run. Reload the page and try again.", "wrong");
  }
}

async function testFromServer() {
  if (!here) return;
  const result = new Result(find("[data-from=server]"));
  try {
    result.show({ state: "busy", sentence: "Listening", findings: [] });
    result.show(await post(here, new URLSearchParams({ quiet })));
  } catch (error) {
    console.error("The server's own test could not be run", error);
    result.say("The server’s own test could not be run. Reload the page and try again.", "wrong");
  }
}

button.addEventListener("click", async () => {
  button.disabled = true;
  await Promise.all([testFromBrowser(), testFromServer()]);
  button.disabled = false;
});
button.disabled = false; // disabled in the markup: a click before this script ran would be lost
