/**
 * A small client of Sideline: copy this file and `types.d.ts` into your program.
 *
 *     const club = await Sideline.signIn("http://127.0.0.1:7103", "coach", "correct horse battery");
 *     for await (const camera of club.cameras()) console.log(camera.name, camera.state.state);
 *     console.log(await club.answer("What plays worked well last game?"));
 *
 * For browsers (the page's origin has to be in SIDELINE_TRUSTED_ORIGINS) and Node 20. Before
 * Node 22, set `globalThis.WebSocket` to that of the package `ws`.
 */
import type { Camera, Chat, Dropped, Event, FrameHeader, Problem, Status } from "./types.d.ts";

export type Picture = { header: FrameHeader; jpeg: Uint8Array };

const ATTEMPTS = 6; // without a new event or message; the pause before each doubles, from 1 s
const FINAL = [4401, 4403, 4404]; // close codes after which a new connection would fail, too
const TOO_MANY = 4429; // messages or connections: wait for a minute
const MINUTE = 60;
const SILENT_MS = 40_000; // pings come every 15 s; what is silent for longer is dead

/**
 * The server refused a request; `message` is its sentence, and `problem` has all it said.
 * `retryAfter`: how long it asks you to wait, in seconds; 0 if it does not say.
 */
export class SidelineError extends Error {
  readonly status: number;

  constructor(
    readonly problem: Partial<Problem> & Record<string, unknown>, readonly retryAfter = 0,
  ) {
    super(problem.detail ?? problem.title ?? "The request failed.");
    this.status = problem.status ?? 0;
  }
}

export class Sideline {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url.replace(/\/$/, "");
    this.#token = token;
  }

  /** Exchange a password for a token. Throws `SidelineError`; see its `problem.second_factor`. */
  static async signIn(
    url: string, username: string, password: string,
    more: { organization?: string; code?: string } = {},
  ): Promise<Sideline> {
    const client = new Sideline(url, "");
    const response = await client.#post("/auth/login", { username, password, ...more });
    return new Sideline(url, (await response.json()).token);
  }

  /** Revoke the token. */
  async signOut(): Promise<void> {
    await this.#post("/auth/logout");
  }

  /** All cameras, page by page. */
  async *cameras(): AsyncGenerator<Camera> {
    let page: string | null = "/cameras";
    while (page) {
      const body: { results: Camera[]; next: string | null } =
        await (await this.#request("GET", page)).json();
      for (const camera of body.results) yield camera;
      page = body.next && `/cameras${new URL(body.next).search}`;
    }
  }

  async newChat(title = ""): Promise<Chat> {
    return (await this.#post("/actions/chats", { title })).json();
  }

  /** Send a prompt, in a new chat by default; resolve with the answer's text. */
  async answer(prompt: string, chat?: string): Promise<string> {
    let text = "";
    for await (const event of this.ask(chat ?? (await this.newChat()).id, prompt)) {
      if (event.type === "chunk") text += event.text;
      else if (event.type === "reset") text = "";
      else if (event.type === "error") throw new SidelineError({ detail: event.message, ...event });
    }
    return text;
  }

  /**
   * Send a prompt; yield the events of its answer up to `done`, across lost connections.
   *
   * Throws `SidelineError` if the prompt is refused, or a server or its proxy answers 502, 503 or
   * 504 for a minute, and `TypeError` if it cannot be reached for a minute.
   */
  async *ask(chat: string, prompt: string): AsyncGenerator<Event> {
    const messages = `/actions/chats/${chat}/messages`;
    const key = crypto.randomUUID(); // with it, a prompt that is sent again is no second prompt
    let [message, last, failures] = ["", "0", 0];
    for (;;) {
      let wait = 0;
      try {
        const response: Response = message
          ? await this.#request("GET", `${messages}/${message}/events`, undefined,
              { "Last-Event-ID": last })
          : await this.#post(messages, { prompt }, { "Idempotency-Key": key });
        for await (const [id, event] of events(response)) {
          [last, failures] = [id, 0];
          if (event.type === "start") message = event.message_id;
          yield event;
          if (event.type === "done") return;
        }
      } catch (error) {
        const refused = error instanceof SidelineError ? error : null;
        // These come from a server that restarts, or from the proxy before it.
        const mayPass = refused ? [502, 503, 504].includes(refused.status) : isLost(error);
        if (!mayPass || failures >= ATTEMPTS) throw error;
        wait = refused?.retryAfter ?? 0;
      }
      if (failures >= ATTEMPTS) {
        throw new SidelineError({ detail: "The stream ended early, again and again." });
      }
      await pause(failures++, wait);
    }
  }

  /**
   * What a camera shows, the newest only: while you work on a picture, newer ones replace each
   * other. `width` (320, 640) and `fps` (1, 5, 10) ask for less. Connects again where that helps.
   *
   * Throws a CloseEvent with a code of `FINAL`; `SidelineError` if it gets no ticket, at once for
   * a status below 500 (401: the token is not valid; but 429 waits); and `TypeError` if the server
   * cannot be reached for a minute.
   */
  async *watch(
    camera: string, variant: { width?: number; fps?: number } = {},
  ): AsyncGenerator<Picture | Status | Dropped> {
    for (let failures = 0; ; ) {
      let wait = 0;
      try {
        const socket = new WebSocket(await this.#socketUrl(camera, variant), ["sideline.v1"]);
        socket.binaryType = "arraybuffer";
        const incoming = new Incoming(socket);
        try {
          for (let data = await incoming.next(); data !== null; data = await incoming.next()) {
            failures = 0;
            if (typeof data === "string") {
              yield JSON.parse(data);
              continue;
            }
            const end = 4 + new DataView(data).getUint32(0);
            const header: FrameHeader =
              JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, end - 4)));
            yield { header, jpeg: new Uint8Array(data, end) };
            // Without this, the server stops after two frames.
            if (socket.readyState === 1) socket.send(JSON.stringify({ ack: header.seq }));
          }
        } finally {
          socket.close();
        }
        if (FINAL.includes(incoming.closed?.code ?? 0)) throw incoming.closed;
        if (incoming.closed?.code === TOO_MANY) wait = MINUTE;
      } catch (error) {
        const refused = error instanceof SidelineError ? error : null;
        const isBusy = refused?.status === 429;
        const mayPass = refused ? isBusy || refused.status >= 500 : isLost(error);
        if (!mayPass || failures >= ATTEMPTS) throw error;
        wait = refused?.retryAfter || (isBusy ? MINUTE : 0);
      }
      await pause(Math.min(failures++, ATTEMPTS - 1), wait);
    }
  }

  /** A browser's socket sends no Authorization header: a ticket opens one connection. */
  async #socketUrl(camera: string, variant: { width?: number; fps?: number }): Promise<string> {
    const response = await this.#post("/tickets", { camera, purpose: "watch" });
    const query = new URLSearchParams({ ticket: (await response.json()).ticket });
    for (const [name, value] of Object.entries(variant)) query.set(name, String(value));
    return `${this.#url.replace(/^http/, "ws")}/ws/stream/${camera}?${query}`;
  }

  #post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.#request("POST", path, body, headers);
  }

  /** Send a request. Throws `SidelineError` for every status but 2xx. */
  async #request(
    method: string, path: string, body?: unknown, headers: Record<string, string> = {},
  ): Promise<Response> {
    if (this.#token) headers = { Authorization: `Bearer ${this.#token}`, ...headers };
    if (body !== undefined) headers = { "Content-Type": "application/json", ...headers };
    const abort = new AbortController();
    const request = fetch(`${this.#url}/api/v1${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      signal: abort.signal,
    });
    const response =
      await unlessSilent(request, () => abort.abort(new TypeError("The server is silent.")));
    if (response.ok) return response;
    // A proxy's response has no problem, only a status.
    const isProblem = response.headers.get("Content-Type")?.includes("problem+json");
    const problem = { status: response.status, ...(isProblem ? await response.json() : {}) };
    throw new SidelineError(problem, Number(response.headers.get("Retry-After")) || 0);
  }
}

/** The messages of a socket, in order. Bound: the server sends two frames without an ack. */
class Incoming {
  closed?: CloseEvent;
  readonly #waiting: (string | ArrayBuffer)[] = [];
  #wake = () => {};

  constructor(socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      this.#waiting.push(data);
      this.#wake();
    };
    socket.onerror = () => {}; // `onclose` follows; the package `ws` throws without this
    socket.onclose = (event) => {
      this.closed = event;
      this.#wake();
    };
  }

  /** The next message; null when the socket has closed. */
  async next(): Promise<string | ArrayBuffer | null> {
    while (!this.#waiting.length && !this.closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#waiting.shift() ?? null;
  }
}

/** The id and the JSON of each event of a response. */
async function* events(response: Response): AsyncGenerator<[string, Event]> {
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  let [rest, id] = ["", ""];
  try {
    for (;;) {
      const { done, value } = await unlessSilent(reader.read(), () => reader.cancel());
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line.startsWith("id: ")) id = line.slice(4);
        else if (line.startsWith("data: ")) yield [id, JSON.parse(line.slice(6))];
      }
    }
  } finally {
    await reader.cancel();
  }
}

/** Wait for bytes; call `stop`, which must end the wait, if none come for `SILENT_MS`. */
function unlessSilent<T>(bytes: Promise<T>, stop: () => void): Promise<T> {
  const timer = setTimeout(stop, SILENT_MS);
  return bytes.finally(() => clearTimeout(timer));
}

/** `fetch` and its body throw a TypeError when the connection is lost. */
function isLost(error: unknown): boolean {
  return error instanceof TypeError;
}

function pause(failures: number, seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(2 ** failures, seconds)));
}
