// A live clock of one session. The protocol is in docs/protocol.md, the arithmetic in docs/clock.md.

const PING_EVERY_MS = 5_000;
const FIRST_PINGS_MS = [0, 50, 150, 300, 600]; // the offset is good soon after connecting
const SAMPLES_KEPT = 8;
const DRAW_EVERY_MS = 50;
const SHORTEST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;

/** This device's clock. It may be wrong, but it does not jump while the page is open, as Date.now() can. */
const deviceNow = () => performance.timeOrigin + performance.now();

/** How far the server's clock is ahead of the device's, as in NTP; of the last samples the one that travelled least. */
class Offset {
  #samples = [];

  /** Undefined until the first PONG. */
  get ms() {
    return this.#samples.toSorted((one, other) => one.roundTrip - other.roundTrip)[0]?.ms;
  }

  /** A PONG whose PING carried deviceNow(). */
  measure({ client_timestamp: sent, server_received_ms: there, server_sent_ms: back }) {
    const received = deviceNow();
    const sample = { ms: (there - sent + (back - received)) / 2, roundTrip: received - sent - (back - there) };
    // Samples that contradict the newest are of a clock that has been set since, or of a device that has slept.
    const agrees = ({ ms, roundTrip }) => Math.abs(ms - sample.ms) <= (roundTrip + sample.roundTrip) / 2 + 1;
    this.#samples = [...this.#samples.filter(agrees), sample].slice(-SAMPLES_KEPT);
  }
}

/** Close codes that no new attempt would change: deleted, a bad address, refused. */
const isFinal = (code) => code === 1000 || code === 1008 || (code >= 4500 && code <= 4599);

/** How long until the next attempt: what the server asks for, else longer each time; never all screens at once. */
function pauseMs({ code, reason }, attempts) {
  const asked = code === 1012 && /\bretry_ms=(\d+)/.exec(reason);
  if (asked) return Number(asked[1]);
  return Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** attempts) * (0.5 + Math.random() / 2);
}

/** A session as this screen knows it: `state` (null when there is none), `connection` and `error`. */
class Session {
  state = null;
  connection = "connecting";
  error = "";
  offset = new Offset();
  #address;
  #protocols;
  #changed;
  #socket;
  #attempts = 0;
  #pings = [];

  constructor({ server, session, token }, changed) {
    this.#address = `${server}/ws?sessionId=${encodeURIComponent(session)}`;
    this.#protocols = ["synckairos.v2", `bearer.${token}`];
    this.#changed = changed;
    this.#connect();
  }

  /** End the cycle of whom this screen shows as active. A second press names the same participant, and is refused. */
  switch() {
    this.#send({ type: "SWITCH", id: crypto.randomUUID(), current_participant_id: this.state.active_participant_id });
  }

  serverNow() {
    return deviceNow() + this.offset.ms;
  }

  #connect() {
    this.#socket = new WebSocket(this.#address, this.#protocols);
    this.#socket.onopen = () => {
      const ping = () => this.#send({ type: "PING", timestamp: deviceNow() });
      this.#pings = [...FIRST_PINGS_MS.map((after) => setTimeout(ping, after)), setInterval(ping, PING_EVERY_MS)];
    };
    this.#socket.onmessage = ({ data }) => this.#read(JSON.parse(data));
    this.#socket.onclose = (event) => this.#closed(event);
  }

  #closed(event) {
    this.#pings.forEach(clearInterval);
    if (event.reason === "State restored") this.state = null; // the server lost what it had shown: take what it has now
    this.connection = isFinal(event.code) ? "ended" : "waiting";
    if (!isFinal(event.code)) setTimeout(() => this.#connect(), pauseMs(event, this.#attempts++));
    this.#changed();
  }

  #send(frame) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #read(frame) {
    switch (frame.type) {
      case "PONG":
        this.offset.measure(frame);
        return;
      case "CONNECTED":
        this.connection = "open";
        this.#attempts = 0;
        this.#show(frame.state);
        break;
      case "STATE_UPDATE":
        this.error = "";
        this.#show(frame.state);
        break;
      case "SESSION_DELETED":
        this.state = null;
        break;
      case "ERROR":
        this.error = `${frame.code}: ${frame.message}`;
        break;
      default: // types yet to come
        return;
    }
    this.#changed();
  }

  #show(state) {
    const isOlder = this.state !== null && state?.epoch === this.state.epoch && state.version < this.state.version;
    if (!isOlder) this.state = state;
  }
}

/** What a participant has left at this instant: the bank, less the running stretch of the active one. */
function remainingMs(state, participant, serverNow) {
  const isDraining = state.status === "running" && participant.is_active;
  const since = isDraining ? serverNow - Date.parse(state.cycle_started_at) : 0;
  return Math.max(0, participant.total_time_ms - since);
}

function asText(ms) {
  const tenths = Math.ceil(ms / 100);
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

const session = new Session(Object.fromEntries(new URLSearchParams(location.hash.slice(1))), show);
const [clock, caption, list, button, error] = ["clock", "caption", "participants", "switch", "error"].map((id) =>
  document.getElementById(id),
);
button.onclick = () => session.switch();

/** Something has changed: draw everything anew. */
function show() {
  const { state, connection } = session;
  Object.assign(clock.dataset, { connection, status: state?.status ?? "none", version: state?.version ?? "" });
  caption.textContent = `${clock.dataset.status} · version ${clock.dataset.version || "–"} · ${connection}`;
  error.textContent = session.error;
  button.disabled = connection !== "open" || state?.status !== "running";
  list.replaceChildren(
    ...(state?.participants ?? []).map((participant) => {
      const item = document.createElement("li");
      item.dataset.participantId = participant.participant_id;
      item.toggleAttribute("data-active", participant.is_active);
      return item;
    }),
  );
  tick();
}

/** Time has passed: the remaining times follow from the state and the instant, so a late tick is no error. */
function tick() {
  if (session.state === null || session.offset.ms === undefined) return;
  const now = session.serverNow();
  clock.dataset.offsetMs = Math.round(session.offset.ms);
  session.state.participants.forEach((participant, place) => {
    const ms = remainingMs(session.state, participant, now);
    list.children[place].dataset.remainingMs = Math.round(ms);
    list.children[place].textContent = asText(ms);
  });
}

show();
setInterval(tick, DRAW_EVERY_MS);
