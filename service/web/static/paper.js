// The paper: strokes of a round pen by mouse, finger, pen or keyboard, or one picture; what is drawn can be undone.
const SIZE = 280;
const PEN = 22;
const STEP = 10;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const EMPTY = { strokes: [], picture: null };

export class Paper {
  // `changed(isOther)` is called after each change: whether the content was replaced rather than drawn on.
  constructor(canvas, cursor, changed, say) {
    Object.assign(this, { canvas, cursor, changed, say });
    this.content = EMPTY;
    this.past = [];
    this.stroke = null;
    this.place = { x: SIZE / 2, y: SIZE / 4 };
    this.held = new Set();
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.#lift());
    canvas.addEventListener("keydown", (event) => this.#type(event));
    canvas.addEventListener("keyup", (event) => this.#release(event));
    canvas.addEventListener("blur", () => this.#leave());
    // The ink has the theme's colour.
    new MutationObserver(() => this.#paint()).observe(document.documentElement, { attributes: true });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  get isEmpty() {
    return !this.content.strokes.length && !this.content.picture;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  // A picture: how it looks, and the data: URL of what the nets shall read.
  show(bitmap, url) {
    this.#replace({ strokes: [], picture: { bitmap, url } });
  }

  clear() {
    if (!this.isEmpty) this.#replace(EMPTY);
  }

  undo() {
    if (!this.canUndo) return;
    this.stroke = null;
    this.content = this.past.pop();
    this.#update(true);
  }

  // What the nets shall read: light ink on black, and no cursor.
  url() {
    if (this.content.picture) return this.content.picture.url;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE;
    const context = canvas.getContext("2d");
    context.fillRect(0, 0, SIZE, SIZE);
    trace(context, this.content.strokes, "white");
    return canvas.toDataURL("image/png");
  }

  #replace(content) {
    this.past.push(this.content);
    this.stroke = null;
    this.content = content;
    this.#update(true);
  }

  #update(isOther) {
    this.#paint();
    this.changed(isOther);
  }

  #paint() {
    const context = this.canvas.getContext("2d");
    const { strokes, picture } = this.content;
    context.clearRect(0, 0, SIZE, SIZE);
    if (picture) place(context, picture.bitmap);
    else trace(context, strokes, getComputedStyle(this.canvas).color);
  }

  #begin(point) {
    const isOther = Boolean(this.content.picture);
    this.past.push(this.content);
    this.stroke = [point];
    this.content = { strokes: [...this.content.strokes, this.stroke], picture: null };
    this.#update(isOther);
  }

  #lift() {
    if (!this.stroke) return;
    this.stroke = null;
    this.#update(false);
  }

  #press(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.cursor.hidden = true;
    this.#lift();
    this.#begin(this.#pointOf(event));
  }

  #drag(event) {
    if (!this.stroke || !this.canvas.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.stroke.push(...(events.length ? events : [event]).map((each) => this.#pointOf(each)));
    this.#update(false);
  }

  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = SIZE / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  #type(event) {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else if (event.key === " ") event.repeat || this.#toggle();
    else if (event.key === "Escape") this.#toggle(false);
    else if (event.key in ARROWS) this.#move(event);
    else return;
    event.preventDefault();
    this.#pointAt();
  }

  #toggle(isDown = !this.stroke) {
    if (isDown === Boolean(this.stroke)) return;
    if (isDown) this.#begin({ ...this.place });
    else this.#lift();
    this.say(isDown ? "Pen down" : "Pen up");
  }

  // Two arrows that are held together move diagonally.
  #move(event) {
    this.held.add(event.key);
    const step = event.shiftKey ? STEP / 4 : STEP;
    for (const [dx, dy] of [...this.held].map((key) => ARROWS[key])) {
      this.place.x = clamp(this.place.x + dx * step);
      this.place.y = clamp(this.place.y + dy * step);
    }
    if (!this.stroke) return;
    this.stroke.push({ ...this.place });
    this.#update(false);
  }

  #release(event) {
    if (!this.held.delete(event.key)) return;
    const [left, top] = [this.place.x, this.place.y].map((each) => Math.round((100 * each) / SIZE));
    this.say(`${left} % from the left, ${top} % from the top`);
  }

  #pointAt() {
    this.cursor.hidden = false;
    this.cursor.classList.toggle("is-down", Boolean(this.stroke));
    this.cursor.style.left = `${(100 * this.place.x) / SIZE}%`;
    this.cursor.style.top = `${(100 * this.place.y) / SIZE}%`;
  }

  #leave() {
    this.held.clear();
    this.cursor.hidden = true;
    this.#lift();
  }
}

// Curves whose ends are the midpoints between neighbouring points, so that they join smoothly.
function trace(context, strokes, ink) {
  Object.assign(context, { strokeStyle: ink, lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(points[0].x, points[0].y);
    for (let n = 1; n < points.length - 1; n++) {
      const [here, next] = [points[n], points[n + 1]];
      context.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
    }
    const last = points.at(-1);
    context.lineTo(last.x, last.y + 0.01); // a line without a length would have no dot
    context.stroke();
  }
}

function place(context, bitmap) {
  const scale = SIZE / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingEnabled = scale < 4;
  context.drawImage(bitmap, (SIZE - width) / 2, (SIZE - height) / 2, width, height);
}

function clamp(value) {
  return Math.min(SIZE - PEN / 2, Math.max(PEN / 2, value));
}
