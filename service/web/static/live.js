// One stream of events for the page, which continues where it was cut, and what the top bar says about it.

const SILENCE_MS = 15_000; // the server sends a sign of life every 10 seconds
const HIDDEN_MS = 30_000; // a browser has six connections per origin, for all tabs
const RETRY_MS = [500, 1000, 2000, 5000];
const FLUSH_MS = 250;
const WORDS = {
  live: "Live",
  reconnecting: "Connection lost, trying again …",
  paused: "Paused while hidden",
};

let current = null;

// A function that acts soon: not twice at the same time, and after each time not for so many milliseconds.
export function paced(milliseconds, act) {
  let isDue = false;
  let isBusy = false;
  return async () => {
    isDue = true;
    if (isBusy) return;
    isBusy = true;
    while (isDue) {
      isDue = false;
      await act().catch(() => {}); // the stream says that the connection is lost, and comes back with news
      await new Promise((done) => setTimeout(done, milliseconds));
    }
    isBusy = false;
  };
}

// Follow a stream. `address()` is called for each connection, and names the cursor of what the page has.
// `handlers` has a function per event, called with its data at most four times a second, in order.
// After an event called done, the stream has ended.
export function follow(address, handlers) {
  current?.end();
  current = new Stream(address, handlers);
  return current;
}

class Stream {
  constructor(address, handlers) {
    this.address = address;
    this.handlers = handlers;
    this.waiting = [];
    this.failures = 0;
    this.flushedAt = -Infinity;
    this.onVisibility = () => (document.hidden ? this.hide() : this.wake());
    document.addEventListener("visibilitychange", this.onVisibility);
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && !this.ended && this.open());
    this.open();
  }

  open() {
    this.close();
    const source = new EventSource(this.address());
    this.source = source;
    this.watch();
    source.onopen = () => this.source === source && this.heard("live");
    source.onerror = () => this.source === source && this.retry();
    for (const name of ["ping", "done", ...Object.keys(this.handlers)]) {
      source.addEventListener(name, (event) => this.source === source && this.receive(name, event));
    }
  }

  receive(name, event) {
    this.failures = 0;
    this.heard("live");
    if (name === "ping") return;
    this.waiting.push([name, JSON.parse(event.data)]);
    if (name === "done") {
      this.flush();
      this.end();
    } else if (!this.flushing) {
      const left = this.flushedAt + FLUSH_MS - performance.now();
      this.flushing = setTimeout(() => this.flush(), Math.max(0, left));
    }
  }

  flush() {
    clearTimeout(this.flushing);
    this.flushing = null;
    this.flushedAt = performance.now();
    for (const [name, data] of this.waiting.splice(0)) this.handlers[name]?.(data);
  }

  // What was received is shown before the next connection asks for what comes after it.
  retry() {
    this.close();
    show("reconnecting");
    const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.timer = setTimeout(() => this.open(), wait);
  }

  heard(state) {
    show(state);
    this.watch();
  }

  watch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), SILENCE_MS);
  }

  hide() {
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => {
      this.close();
      show("paused");
    }, HIDDEN_MS);
  }

  wake() {
    clearTimeout(this.hiding);
    if (!this.source && !this.ended) this.open();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    if (this.waiting.length) this.flush();
  }

  end() {
    this.ended = true;
    this.close();
    clearTimeout(this.hiding);
    document.removeEventListener("visibilitychange", this.onVisibility);
    show(null);
  }
}

function show(state) {
  const place = document.getElementById("connection");
  if (!place || place.dataset.state === (state ?? "")) return;
  place.dataset.state = state ?? "";
  place.textContent = WORDS[state] ?? "";
  place.hidden = state === null;
}
