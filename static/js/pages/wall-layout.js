/** The columns of the wall, before it is painted first. */

import { fillWindow } from "../live/fill-window.js";

const list = /** @type {HTMLElement | null} */ (document.querySelector("[data-wall]"));
if (list) fillWindow(list, document.querySelector("[data-wall-bar]"));
