// Counts what crosses a connection to Postgres (the frontend/backend protocol, version 3).

/** SSLRequest, GSSENCRequest and StartupMessage have no type byte. */
const REQUESTS_BEFORE_STARTUP = [80877103, 80877104];

const TRANSACTION_CONTROL = /^\s*(begin|start transaction|commit|rollback)\b/i;

export class PostgresCounter {
  /** Statements executed, except the control of transactions. */
  statements = 0;
  /** Transactions that ended, including the implicit one of a statement on its own. */
  commits = 0;
  /** Messages after which the client waits for an answer: Sync and Query. */
  roundTrips = 0;
  /** Executions by the name or the text of the statement. */
  texts = new Map();

  open() {
    const connection = { texts: new Map(), bound: '' };
    let hasStarted = false;
    const frontend = new Messages(false, (type, body) => this.#fromClient(connection, type, body));
    const backend = new Messages(true, (type, body) => {
      if (type !== 'Z') return;
      // The first one says that the connection is ready.
      if (hasStarted && body.toString('latin1') === 'I') this.commits += 1;
      hasStarted = true;
    });
    return { fromClient: (bytes) => frontend.add(bytes), fromServer: (bytes) => backend.add(bytes) };
  }

  get counts() {
    const { statements, commits, roundTrips } = this;
    return { statements, commits, 'round trips': roundTrips };
  }

  #fromClient(connection, type, body) {
    const words = body.toString('utf8').split('\0');
    if (type === 'P') connection.texts.set(words[0], words[0] || words[1]);
    if (type === 'B') connection.bound = connection.texts.get(words[1]) ?? words[1];
    if (type === 'E') this.#executed(connection.bound);
    if (type === 'Q') this.#executed(words[0]);
    if (type === 'Q' || type === 'S') this.roundTrips += 1;
  }

  #executed(text) {
    const line = text.replace(/\s+/g, ' ').trim().slice(0, 80);
    this.texts.set(line, (this.texts.get(line) ?? 0) + 1);
    if (!TRANSACTION_CONTROL.test(text)) this.statements += 1;
  }
}

/** Cuts the bytes of one direction into messages. */
class Messages {
  #rest = Buffer.alloc(0);

  /** @param isTyped false until the startup message. */
  constructor(isTyped, receive) {
    this.isTyped = isTyped;
    this.receive = receive;
  }

  add(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#takeOne());
  }

  #takeOne() {
    const start = this.isTyped ? 1 : 0;
    if (this.#rest.length < start + 4) return false;
    const end = start + this.#rest.readInt32BE(start);
    if (this.#rest.length < end) return false;
    const body = this.#rest.subarray(start + 4, end);
    if (this.isTyped) this.receive(String.fromCharCode(this.#rest[0]), body);
    else this.isTyped = !REQUESTS_BEFORE_STARTUP.includes(body.readInt32BE(0));
    this.#rest = this.#rest.subarray(end);
    return true;
  }
}
