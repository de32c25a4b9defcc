const MOST = 1024 * 1024; // UTF-16 units of one line, and of one event's data

/** @typedef {{type: string} & Record<string, any>} Event what the server says, see CONTRACT */
/** @typedef {{id: number | null, event: Event}} Numbered */

/**
 * Reads `text/event-stream` from bytes that are split anywhere: in a character, in a line, between
 * CR and LF. One reader for one connection. Bound: 1 MiB of an unfinished event; more is an error.
 */
export class EventReader {
  #decoder = new TextDecoder();
  #rest = ""; // of a line that has no end yet
  #afterCarriageReturn = false;
  /** @type {string[]} */
  #data = [];
  #size = 0;
  /** @type {number | null} */
  #id = null;

  /**
   * The events that these bytes complete. Has to be read to its end before the next.
   * @param {Uint8Array} bytes
   * @returns {Generator<Numbered, void>}
   * @throws {Error} when a line is too long or an event is not JSON
   */
  *feed(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (!text) return;
    if (this.#afterCarriageReturn && text[0] === "\n") text = text.slice(1);
    this.#afterCarriageReturn = text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#line(line);
      if (event) yield event;
    }
    if (this.#rest.length > MOST) throw new Error("A line of the answer is too long");
  }

  /** @param {string} line @returns {Numbered | undefined} */
  #line(line) {
    if (!line) return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      this.#size += value.length;
      if (this.#size > MOST) throw new Error("An event of the answer is too long");
      this.#data.push(value);
    } else if (field === "id") this.#id = /^\d{1,15}$/.test(value) ? Number(value) : null;
  }

  /** @returns {Numbered | undefined} */
  #dispatch() {
    const data = this.#data.join("\n");
    const id = this.#id;
    this.#data = [];
    this.#size = 0;
    this.#id = null;
    if (data) return { id, event: JSON.parse(data) };
  }
}
