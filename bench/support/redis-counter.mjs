// Counts what crosses a connection to Redis. Clients send every command as an array of bulk strings (RESP).

export class RedisCounter {
  commands = 0;
  /** Batches of commands that a connection sends before it waits for an answer. */
  roundTrips = 0;
  /** Commands by name; scripts by the start of their hash. */
  texts = new Map();

  open() {
    let isAnswered = true;
    const commands = new Commands((words) => this.#received(words));
    return {
      fromClient: (bytes) => {
        if (isAnswered) this.roundTrips += 1;
        isAnswered = false;
        commands.add(bytes);
      },
      fromServer: () => {
        isAnswered = true;
      },
    };
  }

  get counts() {
    const { commands, roundTrips } = this;
    return { commands, 'round trips': roundTrips };
  }

  #received([name, first = '']) {
    const text = /^evalsha$/i.test(name) ? `evalsha ${first.slice(0, 8)}` : name.toLowerCase();
    this.texts.set(text, (this.texts.get(text) ?? 0) + 1);
    this.commands += 1;
  }
}

/** Cuts the bytes of a client into commands. */
class Commands {
  #rest = '';

  constructor(receive) {
    this.receive = receive;
  }

  add(bytes) {
    this.#rest += bytes.toString('latin1');
    while (this.#takeOne());
  }

  #takeOne() {
    let at = this.#rest.indexOf('\r\n');
    if (at < 0) return false;
    const count = Number(this.#rest.slice(1, at));
    at += 2;
    const words = [];
    for (let i = 0; i < count; i += 1) {
      const line = this.#rest.indexOf('\r\n', at);
      if (line < 0) return false;
      const length = Number(this.#rest.slice(at + 1, line));
      if (this.#rest.length < line + 2 + length + 2) return false;
      words.push(this.#rest.slice(line + 2, line + 2 + length));
      at = line + 2 + length + 2;
    }
    this.receive(words);
    this.#rest = this.#rest.slice(at);
    return true;
  }
}
