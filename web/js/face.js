// The face of 'Direct the face': a live picture whose head is dragged and whose eyes follow the pointer, and the sliders of its controls.

import { faceAt, formatWays, mirrored, parseFaceKeys, parseWays, withFaceKey } from "./face_keys.js";
import { hideWidgets, isConnected } from "./modes.js";
import { liveScene, soundOf, spokenOf } from "./live.js";
import { drawSpeech } from "./motion.js";
import { addElement, after, changed, drag, keepFresh, make, saveOutput, seenOf, setWidget, step, t, undoneBy, widgetOf } from "./page.js";
import { savedFaces } from "./presets.js";
import { keyframeStrip } from "./strip.js";
import { clamp, withoutKeyframe } from "./views.js";

const LEAST = 500;
const FPS = 25;
const WAYS = { add: "+", replace: "=", scale: "×" };
const DEGREES_PER_PIXEL = 0.3;
const ICONS = {
  mirror: "M6 1V11M4.5 3L1 9H4.5ZM7.5 3L11 9H7.5Z",
  copy: "M1.5 1.5H8V8H1.5ZM4 8V10.5H10.5V4H8",
  paste: "M2 2.5H10V11H2ZM4.5 2.5V1H7.5V2.5M4 5.5H8M4 8H8",
};
const wayHints = () => ({
  add: t("Added to the motion; a click changes this"), replace: t("Replaces the motion; a click changes this"), scale: t("Scales the motion; a click changes this"),
});
const groups = () => [
  [t("Expressions"), [["neutral", t("Neutral")], ["smile", t("Smile")], ["sad", t("Sad")], ["surprised", t("Surprised")], ["angry", t("Angry")], ["focused", t("Focused")]]],
  [t("Eyes"), [
    ["gaze_x", t("Gaze to the side")], ["gaze_y", t("Gaze up")], ["blink_right", t("Right lid")], ["blink_left", t("Left lid")],
    ["lids_wide", t("Wide open")], ["lids_tight", t("Narrowed")],
  ]],
  [t("Brows"), [
    ["brow_raise", t("Raised")], ["brow_inner_raise", t("Inner ends")], ["brow_outer_right", t("Right end")], ["brow_outer_left", t("Left end")],
    ["brow_furrow", t("Drawn together")], ["cheek_raise", t("Cheeks")],
  ]],
  [t("Mouth"), [
    ["jaw_open", t("Jaw")], ["mouth_smile", t("Smiling corners")], ["frown", t("Drooping corners")], ["lips_wide", t("Wide")], ["lips_round", t("Round")],
    ["lips_press", t("Pressed")], ["lip_upper_raise", t("Upper lip")], ["lip_lower_drop", t("Lower lip")],
  ]],
  [t("Head"), [["head_yaw", t("Turn")], ["head_pitch", t("Nod")], ["head_roll", t("Tilt")]]],
];

/**
 * A slider of one control. control: {get(name), set(name, value), way(name), turnWay(name), free(name), spoken()}; of a hidden widget, or of
 * the keyframe at the playhead.
 */
function slider(node, name, label, group, control) {
  const { min, max, step2, step: tenfold } = widgetOf(node, name)?.options ?? {};
  const size = step2 ?? (tenfold ?? 0.2) / 10;
  const range = make("input", { type: "range", min: min ?? 0, max: max ?? 1, step: size, "aria-label": `${group}: ${label}` });
  const told = make("output");
  const way = make("button", { type: "button", class: "r3d-way", onclick: () => control.turnWay(name) });
  const row = make("div", { class: "r3d-slider" }, make("span", { title: t("Double-click sets it to 0") }, label), range, told, way);
  let done = null;
  const end = () => {
    if (done) done();
    else changed();
    done = null;
  };
  range.addEventListener("pointerdown", () => { done ??= step(); });
  range.addEventListener("input", () => control.set({ [name]: Number(range.value) }));
  range.addEventListener("change", end);
  range.addEventListener("keydown", undoneBy);
  row.addEventListener("dblclick", (event) => {
    if (event.target === way) return;
    event.preventDefault();
    control.set({ [name]: 0 });
    end();
  });
  return {
    row,
    refresh() {
      const value = control.get(name);
      if (Math.abs(Number(range.value) - value) > size / 2) range.value = value;
      told.textContent = size < 1 ? value.toFixed(2) : `${value.toFixed(0)}°`;
      range.disabled = !control.free(name);
      row.classList.toggle("r3d-set", Math.abs(value) >= size / 2);
      const chosen = control.way(name);
      way.hidden = chosen === null;
      if (chosen === null || way.textContent === WAYS[chosen]) return;
      way.textContent = WAYS[chosen];
      way.title = wayHints()[chosen];
      way.setAttribute("aria-label", `${label}: ${way.title}`);
    },
  };
}

let copied = null; // a face, for all nodes of the page

export function addFace(node) {
  const image = make("img", { alt: t("The directed face"), draggable: "false", hidden: "" });
  const hint = make("p", { class: "r3d-empty", role: "status" });
  const numbers = make("output", { class: "r3d-numbers" });
  const stage = make(
    "div",
    {
      class: "r3d-stage",
      tabindex: "0",
      role: "application",
      "aria-label": t("The directed face. Arrow keys turn the head, or the eyes while they follow the pointer. Home sets them straight."),
    },
    image, hint, numbers,
  );
  const eyes = make("button", { type: "button", class: "r3d-button", "aria-pressed": "false", title: t("The eyes follow the pointer over the face; a click keeps them there") }, t("Eyes follow"));
  const reset = make("button", { type: "button", class: "r3d-button", title: t("Set all sliders to 0") }, t("Reset"));
  const panel = make("div", { class: "r3d-panel" });
  const sliders = new Map();
  let looked = null; // gaze of the pointer over the face, while the eyes follow it
  const widget = (name) => Number(widgetOf(node, name)?.value ?? 0);
  const text = () => String(widgetOf(node, "keyframes")?.value ?? "");
  const keyed = () => keys().length > 0;
  let parsed = { text: null, keys: [] };
  const keys = () => {
    if (parsed.text !== text()) parsed = { text: text(), keys: parseFaceKeys(text()) };
    return parsed.keys;
  };
  const spoken = () => isConnected(node, "motion");
  const isExpression = (name) => groups()[0][1].some(([one]) => one === name);
  const control = {
    get: (name) => (keyed() ? faceNow()[name] ?? 0 : widget(name)),
    free: (name) => (keyed() ? !isConnected(node, "keyframes") : !isConnected(node, name)),
    set(values) {
      if (keyed()) {
        const whole = { ...faceNow(), ...bounded(values) }, key = strip.keyNow();
        setWidget(node, "keyframes", withFaceKey(text(), key, key?.time ?? +strip.time().toFixed(3), whole));
      } else for (const [name, amount] of Object.entries(bounded(values))) if (control.free(name)) setWidget(node, name, amount);
      refresh();
    },
    way: (name) => (spoken() && !isExpression(name) ? parseWays(String(widgetOf(node, "ways")?.value ?? ""))[name] ?? "add" : null),
    turnWay(name) {
      const all = Object.keys(WAYS), next = all[(all.indexOf(control.way(name)) + 1) % all.length];
      setWidget(node, "ways", formatWays({ ...parseWays(String(widgetOf(node, "ways").value)), [name]: next }));
      changed();
      refresh();
    },
  };
  let moment = { at: "", face: {} };
  const faceNow = () => {
    const at = `${strip.time()}\n${text()}`;
    if (moment.at !== at) moment = { at, face: faceAt(keys(), strip.time()) };
    return moment.face;
  };
  const bounded = (values) => Object.fromEntries(Object.entries(values).map(([name, amount]) => {
    const { min = -1, max = 1 } = widgetOf(node, name)?.options ?? {};
    return [name, +clamp(amount, min, max).toFixed(2)];
  }));
  const value = (name) => control.get(name);
  const tabs = make("div", { class: "r3d-tabs", role: "tablist" });
  for (const [group, names] of groups()) {
    const page = make("div", { class: "r3d-sliders", role: "tabpanel", "aria-label": group }, ...names.map(([name, label]) => {
      sliders.set(name, slider(node, name, label, group, control));
      return sliders.get(name).row;
    }));
    const tab = make("button", { type: "button", class: "r3d-button", role: "tab", onclick: () => open(tab, page) }, group);
    tabs.append(tab);
    panel.append(page);
  }
  panel.prepend(tabs);
  function open(tab, page) {
    for (const one of tabs.children) one.setAttribute("aria-selected", String(one === tab));
    for (const one of panel.querySelectorAll(".r3d-sliders")) one.hidden = one !== page;
    seenOf(node).tab = [...tabs.children].indexOf(tab);
  }
  tabs.addEventListener("keydown", ({ key, target }) => {
    const next = { ArrowLeft: target.previousSibling, ArrowRight: target.nextSibling }[key];
    next?.focus();
    next?.click();
  });
  function openAgain() {
    const at = seenOf(node).tab ?? 0;
    if (tabs.children[at].getAttribute("aria-selected") !== "true") open(tabs.children[at], panel.querySelectorAll(".r3d-sliders")[at]);
  }
  const names = [...sliders.keys()];
  const kept = savedFaces(() => face(), (amounts) => {
    const known = Object.fromEntries(Object.entries(amounts).filter(([name, amount]) => sliders.has(name) && Number.isFinite(amount)));
    control.set({ ...nothing(), ...known });
    changed();
  });
  panel.querySelector(".r3d-sliders").append(kept.row);
  after(node, "onAdded", kept.attach);
  after(node, "onRemoved", kept.detach);

  const nothing = () => Object.fromEntries(names.map((name) => [name, 0]));
  const face = () => Object.fromEntries(names.map((name) => [name, value(name)]));
  const tool = (d, label, act) => make(
    "button", { type: "button", class: "r3d-button r3d-icon", title: label, "aria-label": label, onclick: act },
    make("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, make("path", { d })),
  );
  const pasting = tool(ICONS.paste, t("Paste the copied face here"), () => { control.set({ ...nothing(), ...copied }); changed(); });
  const strip = keyframeStrip(
    node,
    {
      fps: () => FPS,
      seconds: () => Math.max(length(), ...keys().map((key) => key.time)),
      keys,
      edits: keyed,
      least: 0,
      label: t("Time of the face"),
      refresh: () => refresh(),
      sound: () => soundOf(node),
      add() {
        const first = keyed() ? faceNow() : withExpression(face());
        if (!isConnected(node, "keyframes") && !strip.keyNow()) setWidget(node, "keyframes", withFaceKey(text(), null, +strip.time().toFixed(3), first));
      },
      move: (key, to) => setWidget(node, "keyframes", withFaceKey(text(), key, to, key.values)),
      remove: (key) => setWidget(node, "keyframes", withoutKeyframe(text(), key)),
      ease: (key, easing) => setWidget(node, "keyframes", withFaceKey(text(), key, key.time, key.values, easing)),
    },
    tool(ICONS.mirror, t("Mirror the face, left and right"), () => { control.set(mirrored(face())); changed(); }),
    tool(ICONS.copy, t("Copy the face"), () => { copied = face(); refresh(); }),
    pasting,
  );
  const root = make(
    "div", { class: "r3d-face" }, make("div", { class: "r3d-frame" }, stage, make("div", { class: "r3d-tools" }, eyes, reset)), strip.element, panel,
  );
  /** Seconds of the connected motion, known after a run; else those of the node. */
  const length = () => (spoken() ? spokenOf(node)?.real3d_seconds?.[0] : 0) || Math.max(widget("seconds"), 1 / FPS);
  /** With the expression that the node has beside its sliders: keyframes take the place of both. */
  function withExpression(values) {
    const name = widgetOf(node, "expression")?.value;
    return { ...values, [name]: Math.min(values[name] + widget("amount"), 1) };
  }

  const following = () => eyes.getAttribute("aria-pressed") === "true";
  const scene = liveScene(node, image, (sentence) => { hint.textContent = sentence; });

  /** What the pointer makes of the eyes, for the picture alone. */
  function lookedAt() {
    if (!looked || !keyed()) return looked ?? {};
    const key = strip.keyNow();
    return { keyframes: withFaceKey(text(), key, key?.time ?? strip.time(), { ...faceNow(), ...looked }) };
  }

  function refresh() {
    hideWidgets(node, [...names, "ways"]);
    openAgain();
    if (!scene.want(lookedAt())) hint.textContent = t("Run once to see the face");
    for (const one of sliders.values()) one.refresh();
    strip.refresh();
    drawSpeech(strip.drawing, spoken() ? spokenOf(node) : null);
    pasting.disabled = !copied;
    reset.disabled = names.every((name) => value(name) === 0);
    const shown = (names, digits) => names.map((name) => value(name).toFixed(digits));
    numbers.textContent = following() ? t("gaze {0}  {1}", ...shown(["gaze_x", "gaze_y"], 2)) : t("turn {0}°  nod {1}°  tilt {2}°", ...shown(["head_yaw", "head_pitch", "head_roll"], 0));
    stage.title = following() ? eyes.title : t("Drag to turn the head, with Shift to tilt it");
  }

  const set = (values) => control.set(values);
  const gazeAt = (event) => {
    const box = stage.getBoundingClientRect(), half = Math.min(box.width, box.height) / 2;
    const [x, y] = [event.clientX - box.x - box.width / 2, box.y + box.height / 2 - event.clientY];
    return { gaze_x: +clamp(x / half, -1, 1).toFixed(2), gaze_y: +clamp(y / half, -1, 1).toFixed(2) };
  };

  let begun;
  drag(
    stage,
    (event) => {
      begun = ["head_yaw", "head_pitch", "head_roll"].map(value);
      if (following()) set(gazeAt(event));
    },
    (x, y, event) => {
      const [yaw, pitch, roll] = begun;
      if (following()) set(gazeAt(event));
      else if (event.shiftKey) set({ head_roll: Math.round(roll + x * DEGREES_PER_PIXEL) });
      else set({ head_yaw: Math.round(yaw + x * DEGREES_PER_PIXEL), head_pitch: Math.round(pitch + y * DEGREES_PER_PIXEL) });
    },
  );
  stage.addEventListener("pointermove", (event) => {
    looked = following() ? gazeAt(event) : null;
    if (looked) refresh();
  });
  stage.addEventListener("pointerleave", () => {
    looked = null;
    refresh();
  });
  stage.addEventListener("keydown", (event) => {
    const [x, y, size] = following() ? ["gaze_x", "gaze_y", event.shiftKey ? 0.2 : 0.04] : ["head_yaw", "head_pitch", event.shiftKey ? 10 : 2];
    const up = following() ? 1 : -1; // a gaze goes up, a nod goes down
    const to = {
      ArrowLeft: { [x]: value(x) - size }, ArrowRight: { [x]: value(x) + size },
      ArrowUp: { [y]: value(y) + up * size }, ArrowDown: { [y]: value(y) - up * size },
      Home: following() ? { gaze_x: 0, gaze_y: 0 } : { head_yaw: 0, head_pitch: 0, head_roll: 0 },
    }[event.key];
    if (!to) return;
    set(to);
    changed();
    event.preventDefault();
  });
  eyes.addEventListener("click", () => {
    eyes.setAttribute("aria-pressed", String(!following()));
    looked = null;
    refresh();
  });
  reset.addEventListener("click", () => {
    set(nothing());
    changed();
  });

  addElement(node, "face", root, LEAST);
  saveOutput(node, "real3d_source");
  saveOutput(node, "real3d_portrait");
  keepFresh(node, root, refresh);
  after(node, "onConfigure", refresh);
  refresh();
}

/** Saves the token of the portrait of this node's last run; it is valid as long as the server keeps the portrait. */
export const rememberPortrait = (node) => saveOutput(node, "real3d_portrait");
