// The motion timeline: curves of face and head over the waveform.

import { addElement, drag, keepFresh, make, outputOf, saveOutput, seenOf, t } from "./page.js";
import { clamp } from "./views.js";

const HEIGHT = 168;
const WIDTH = 300, FACE = [4, 62], POSE = [70, 118]; // the two lanes, in units of the drawing
const FACE_CURVES = ["jaw", "lips", "blink", "expression"];

const polyline = (values, top, bottom, low, high) =>
  values.map((value, i) => {
    const x = values.length > 1 ? (i / (values.length - 1)) * WIDTH : WIDTH / 2;
    const y = bottom - ((clamp(value, low, high) - low) / (high - low)) * (bottom - top);
    return `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");

function wave(sound) {
  const middle = (FACE[0] + FACE[1]) / 2, half = (FACE[1] - FACE[0]) / 2;
  const loudest = Math.max(...sound, 1e-3);
  const edge = (sign) => sound.map((value, i) => `${((i / (sound.length - 1)) * WIDTH).toFixed(1)} ${(middle - (sign * half * value) / loudest).toFixed(1)}`);
  return `M${[...edge(1), ...edge(-1).reverse()].join("L")}Z`;
}

const SPEECH_CURVES = ["jaw", "lips", "blink"];
const drawnOf = new WeakMap(); // drawing -> the output that it shows

/** Draws the sound's wave and the speech's curves of a run behind something else. */
export function drawSpeech(drawing, output) {
  const known = output?.real3d_curves?.length ? output : null;
  if ((drawnOf.get(drawing) ?? null) === known) return;
  drawnOf.set(drawing, known);
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${FACE[1] + FACE[0]}`);
  const parts = [];
  if (known?.real3d_sound?.length > 1) parts.push(make("path", { d: wave(known.real3d_sound), class: "r3d-wave" }));
  known?.real3d_names.forEach((name, i) => {
    if (SPEECH_CURVES.includes(name)) parts.push(make("path", { d: polyline(known.real3d_curves[i], ...FACE, name === "lips" ? -1 : 0, 1), class: `r3d-curve r3d-c-${name}` }));
  });
  drawing.replaceChildren(...parts);
}

export function addMotionLine(node) {
  const drawing = make("svg", { viewBox: `0 0 ${WIDTH} ${POSE[1] + 4}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const legend = make("div", { class: "r3d-legend" });
  const hint = make("p", { class: "r3d-empty" }, t("Run the workflow to see the motion of the face and the head"));
  const line = make("div", { class: "r3d-motion-track", tabindex: "0", role: "slider", "aria-label": t("Time in the motion"), "aria-valuemin": "0" }, drawing);
  const root = make("div", { class: "r3d-motion" }, line, legend, hint);
  let drawn = null, hovered = null;
  const goTo = (time) => {
    seenOf(node).time = time;
    refresh();
  };

  const known = () => {
    const output = outputOf(node);
    return output?.real3d_curves?.length && output.real3d_seconds?.[0] > 0 ? output : null;
  };

  function draw(output) {
    const names = output.real3d_names, values = output.real3d_curves;
    const most = Math.max(5, ...values.filter((_, i) => !FACE_CURVES.includes(names[i])).flat().map(Math.abs));
    const face = Math.max(1, ...values.filter((_, i) => FACE_CURVES.includes(names[i])).flat().map(Math.abs));
    const middle = (POSE[0] + POSE[1]) / 2;
    const parts = [];
    if (output.real3d_sound?.length > 1) parts.push(make("path", { d: wave(output.real3d_sound), class: "r3d-wave" }));
    const low = values.some((one, i) => names[i] === "lips" && Math.min(...one) < -0.02) ? -face : 0;
    const rest = low ? (FACE[0] + FACE[1]) / 2 : FACE[1];
    for (const y of [rest, middle]) parts.push(make("line", { x1: 0, x2: WIDTH, y1: y, y2: y, class: "r3d-zero" }));
    names.forEach((name, i) => {
      const d = FACE_CURVES.includes(name) ? polyline(values[i], ...FACE, low, face) : polyline(values[i], ...POSE, -most, most);
      parts.push(make("path", { d, class: `r3d-curve r3d-c-${name}` }));
    });
    parts.push(make("line", { class: "r3d-cursor", y1: 0, y2: POSE[1] + 4 }));
    drawing.replaceChildren(...parts);
    legend.replaceChildren(make("span", { class: "r3d-clock" }), ...names.map((name) => make("span", { class: `r3d-label r3d-c-${name}` })));
  }

  function refresh() {
    const output = known();
    root.classList.toggle("r3d-none", !output);
    if (!output) return;
    if (output !== drawn) draw(output);
    drawn = output;
    const seconds = output.real3d_seconds[0];
    const at = clamp(hovered ?? seenOf(node).time ?? 0, 0, seconds);
    const cursor = drawing.lastChild;
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, ((at / seconds) * WIDTH).toFixed(1));
    const [clock, ...labels] = legend.children;
    clock.textContent = `${at.toFixed(2)} / ${seconds.toFixed(2)} s`;
    output.real3d_names.forEach((name, i) => {
      const values = output.real3d_curves[i];
      const value = values[clamp(Math.round((at / seconds) * (values.length - 1)), 0, values.length - 1)];
      labels[i].textContent = `${t(name)} ${FACE_CURVES.includes(name) ? value.toFixed(2) : `${value.toFixed(1)}°`}`;
    });
    line.setAttribute("aria-valuemax", seconds.toFixed(2));
    line.setAttribute("aria-valuenow", at.toFixed(2));
    line.setAttribute("aria-valuetext", legend.innerText.replaceAll("\n", ", "));
  }

  const timeAt = (event) => {
    const box = line.getBoundingClientRect();
    return clamp((event.clientX - box.left) / box.width, 0, 1) * (known()?.real3d_seconds[0] ?? 0);
  };
  line.addEventListener("pointermove", (event) => { hovered = timeAt(event); refresh(); });
  line.addEventListener("pointerleave", () => { hovered = null; refresh(); });
  drag(line, (event) => goTo(timeAt(event)), (x, y, event) => goTo(timeAt(event)));
  line.addEventListener("keydown", (event) => {
    const seconds = known()?.real3d_seconds[0] ?? 0, time = seenOf(node).time ?? 0;
    const to = { ArrowLeft: time - 0.04, ArrowRight: time + 0.04, PageDown: time - 1, PageUp: time + 1, Home: 0, End: seconds }[event.key];
    if (to === undefined) return;
    hovered = null;
    goTo(clamp(to, 0, seconds));
    event.preventDefault();
  });

  addElement(node, "motion_line", root, HEIGHT);
  saveOutput(node, "real3d_seconds");
  keepFresh(node, root, refresh);
  refresh();
}
