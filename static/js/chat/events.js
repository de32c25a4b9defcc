const MAX_LENGTH = 1024 * 1024; // UTF-16 units of one line, and of one event's data

/** @typedef {{type: string} & Record<string, any>} Event as the contract defines it */
/** @typedef {{id: number | null, event: Event}} NumberedEvent */

/**
 * Parser of `text/event-stream`. The bytes may be split anywhere: in a character, in a line, between CR
 * and LF. One reader per connection. Bound: 1 MiB of an unfinished event; more is an error.
 */
export class EventReader {
  #decoder = new TextDecoder();
  #rest = ""; // an unfinished line
  #endsWithCr = false;
  /** @type {string[]} */
  #data = [];
  #size = 0;
  /** @type {number | null} */
  #id = null;

  /**
   * Yield the events that these bytes complete. Consume all of them before the next call.
   * @param {Uint8Array} bytes
   * @returns {Generator<NumberedEvent, void>}
   * @throws {Error} when a line is too long or an event is not JSON
   */
  *feed(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (!text) return;
    if (this.#endsWithCr && text[0] === "\n") text = text.slice(1);
    this.#endsWithCr = text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#parseLine(line);
      if (event) yield event;
    }
    if (this.#rest.length > MAX_LENGTH) throw new Error("A line of the answer is too long");
  }

  /** @param {string} line @returns {NumberedEvent | undefined} */
  #parseLine(line) {
    if (!line) return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      this.#size += value.length;
      if (this.#size > MAX_LENGTH) throw new Error("An event of the answer is too long");
      this.#data.push(value);
    } else if (field === "id") this.#id = /^\d{1,15}$/.test(value) ? Number(value) : null;
  }

  /** @returns {NumberedEvent | undefined} */
  #dispatch() {
    const data = this.#data.join("\n");
    const id = this.#id;
    this.#data = [];
    this.#size = 0;
    this.#id = null;
    if (data) return { id, event: JSON.parse(data) };
  }
}
