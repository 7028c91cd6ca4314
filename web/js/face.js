// The face of 'Direct the face': a live picture whose head is dragged and whose eyes follow the pointer, and the sliders of its controls.

import { hideWidgets, isConnected } from "./modes.js";
import { LiveFace, photoOf } from "./live.js";
import { addElement, after, changed, drag, keepFresh, make, saveOutput, savedOutput, seenOf, setWidget, step, t, undoneBy, widgetOf } from "./page.js";
import { clamp } from "./views.js";

const LEAST = 420;
const DEGREES_PER_PIXEL = 0.3;
const PHOTO_EVERY = 500; // milliseconds between two looks at where the photo comes from
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

/** A slider that is the hidden widget's own, with its name and value. */
function slider(node, name, label, group, moved) {
  const { min, max, step2, step: tenfold } = widgetOf(node, name)?.options ?? {};
  const size = step2 ?? (tenfold ?? 0.2) / 10;
  const range = make("input", { type: "range", min: min ?? 0, max: max ?? 1, step: size, "aria-label": `${group}: ${label}` });
  const told = make("output");
  const row = make("label", { class: "r3d-slider", title: t("Double-click sets it to 0") }, make("span", {}, label), range, told);
  let done = null;
  const end = () => {
    if (done) done();
    else changed();
    done = null;
  };
  const set = (value) => {
    setWidget(node, name, value);
    moved();
  };
  range.addEventListener("pointerdown", () => { done ??= step(); });
  range.addEventListener("input", () => set(Number(range.value)));
  range.addEventListener("change", end);
  range.addEventListener("keydown", undoneBy);
  row.addEventListener("dblclick", (event) => {
    event.preventDefault();
    set(0);
    end();
  });
  return {
    row,
    refresh() {
      const value = Number(widgetOf(node, name)?.value ?? 0), digits = size < 1 ? 2 : 0;
      if (Number(range.value) !== value) range.value = value;
      told.textContent = digits ? value.toFixed(digits) : `${value.toFixed(0)}°`;
      range.disabled = isConnected(node, name);
      row.classList.toggle("r3d-set", value !== 0);
      return value !== 0;
    },
  };
}

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
  const root = make("div", { class: "r3d-face" }, make("div", { class: "r3d-frame" }, stage, make("div", { class: "r3d-tools" }, eyes, reset)), panel);
  const sliders = new Map();
  const tabs = make("div", { class: "r3d-tabs", role: "tablist" });
  for (const [group, names] of groups()) {
    const page = make("div", { class: "r3d-sliders", role: "tabpanel", "aria-label": group }, ...names.map(([name, label]) => {
      sliders.set(name, slider(node, name, label, group, () => refresh()));
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

  let looked = null; // gaze of the pointer over the face, while the eyes follow it
  let photo = null, sought = -Infinity;
  const value = (name) => Number(widgetOf(node, name)?.value ?? 0);
  const following = () => eyes.getAttribute("aria-pressed") === "true";
  const live = new LiveFace(node, image, (sentence) => { hint.textContent = sentence; });

  function wish() {
    if (performance.now() - sought > PHOTO_EVERY) {
      photo = photoOf(node);
      sought = performance.now();
    }
    if (!photo) return null;
    const values = Object.fromEntries((node.widgets ?? []).filter((one) => one.serialize !== false && !isConnected(node, one.name)).map((one) => [one.name, one.value]));
    return {
      node: node.comfyClass,
      photo,
      values: { ...values, ...looked },
      time: seenOf(node).time ?? 0,
      ...(isConnected(node, "motion") && savedOutput(node, "real3d_source") ? { motion: savedOutput(node, "real3d_source") } : {}),
    };
  }

  function refresh() {
    hideWidgets(node, names);
    openAgain();
    const wanted = wish();
    if (!wanted) hint.textContent = t("Run once to see the face");
    live.want(wanted);
    for (const one of sliders.values()) one.refresh();
    reset.disabled = names.every((name) => value(name) === 0);
    numbers.textContent = following() ? `${value("gaze_x").toFixed(2)}  ${value("gaze_y").toFixed(2)}` : `${value("head_yaw").toFixed(0)}°  ${value("head_pitch").toFixed(0)}°  ${value("head_roll").toFixed(0)}°`;
  }

  function set(values) {
    for (const [name, wanted] of Object.entries(values)) {
      const { min = -1, max = 1 } = widgetOf(node, name)?.options ?? {};
      if (!isConnected(node, name)) setWidget(node, name, +clamp(wanted, min, max).toFixed(2));
    }
    refresh();
  }
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
    set(Object.fromEntries(names.map((name) => [name, 0])));
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
