/** The page of an organization's own detector. */

import { DetectorUpload } from "../detectors/upload-form.js";

const RELOAD_MS = 3000;

const form = document.querySelector("form[data-most]");
if (form instanceof HTMLFormElement) new DetectorUpload(form);
if (document.querySelector("[data-checking]")) setTimeout(() => location.reload(), RELOAD_MS);
