// The orbit view: a small head that is rotated by dragging, and a timeline with the keyframes of a camera path below it.

import { api } from "../../../scripts/api.js";
import { drawHead } from "./head.js";
import { liveScene, soundOf, spokenOf } from "./live.js";
import { showNumbersOfMode } from "./modes.js";
import { drawSpeech } from "./motion.js";
import { keyframeStrip } from "./strip.js";
import { addElement, after, changed, drag, everyNode, keepFresh, make, origins, outputOf, saveOutput, savedOutput, seenOf, setWidget, t, widgetOf } from "./page.js";
import { clamp, fromPlace, parseKeyframes, viewAt, withChangedKeyframe, within, withKeyframe, withoutKeyframe } from "./views.js";

const DEGREES_PER_PIXEL = 0.4;
const STAGE = 190, STRIP = 58;
const SIDES = [112, 384], STEP = 32; // pixels per side: smallest and largest that the server renders, and the step
const STILL = 250; // milliseconds without a change after which a view counts as still
const PLACE = [["view_yaw", -80, 80, 0], ["view_pitch", -60, 60, 0], ["view_distance", 0.5, 2, 2]];

/**
 * A picture of a head from the server. Requests run one at a time, outdated ones are skipped.
 * A new view is requested at low resolution first, and at display resolution once it is still.
 */
class Picture {
  constructor(image, gone) {
    Object.assign(this, { image, gone, view: "", wanted: "", shown: "", busy: false, still: 0 });
  }

  want(token, [yaw, pitch, roll, distance], side) {
    const view = `/real3d/head/${encodeURIComponent(token)}?yaw=${yaw.toFixed(1)}&pitch=${pitch.toFixed(1)}&roll=${roll.toFixed(1)}&distance=${distance.toFixed(2)}`;
    if (view !== this.view) this.ask(`${view}&side=${SIDES[0]}`);
    this.view = view;
    clearTimeout(this.still);
    this.still = setTimeout(() => this.ask(`${view}&side=${side}`), STILL);
  }

  ask(address) {
    this.wanted = address;
    if (!this.busy) this.fetch();
  }

  async fetch() {
    this.busy = true;
    while (this.wanted !== this.shown) {
      const asked = this.wanted;
      this.shown = asked;
      try {
        const answer = await api.fetchApi(asked);
        if (answer.status === 200) this.show(await answer.blob());
        else if (answer.status === 204) this.shown = ""; // superseded by another node's request for the same head
        else this.gone(answer.status);
      } catch {
        this.gone(0); // the server cannot be reached; keep the drawn head
      }
    }
    this.busy = false;
  }

  show(blob) {
    this.drop();
    this.image.src = URL.createObjectURL(blob);
    this.image.hidden = false;
  }

  drop() {
    if (this.image.src) URL.revokeObjectURL(this.image.src);
  }
}

/** Saves the token of the head of this node's last run; it is valid until the server exits. */
export const rememberHead = (node) => saveOutput(node, "real3d_head");

/** The token of the head that a node shows. */
function headOf(node) {
  if (node.comfyClass !== "Real3DCameraPath") return savedOutput(node, "real3d_head");
  const shows = (one) => savedOutput(one, "real3d_head") && origins(one, "camera").includes(node);
  const owner = everyNode().find(shows);
  return owner && savedOutput(owner, "real3d_head");
}

/** Duration of the connected motion in seconds, known after a run; otherwise 0. */
function secondsOfMotion(node, hops = 20) {
  for (const one of hops ? origins(node, "motion") : []) {
    const seconds = savedOutput(one, "real3d_seconds") || secondsOfMotion(one, hops - 1);
    if (seconds) return seconds;
  }
  return 0;
}

export function addOrbitView(node) {
  const isPath = node.comfyClass === "Real3DCameraPath";
  const image = make("img", { alt: "", draggable: "false", hidden: "" }), face = make("img", { alt: "", draggable: "false", hidden: "" });
  const drawn = make("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" });
  const numbers = make("output", { class: "r3d-numbers" });
  const hint = make("span", { class: "r3d-hint" });
  const front = make("button",
    { type: "button", class: "r3d-button r3d-front", title: t("Front view"), "aria-label": t("Front view") },
    make("svg", { viewBox: "0 0 12 12" }, make("circle", { cx: 6, cy: 6, r: 3 }), make("path", { d: "M6 0.5V4M6 8V11.5M0.5 6H4M8 6H11.5" })));
  const stage = make(
    "div",
    {
      class: "r3d-stage",
      tabindex: "0",
      role: "application",
      "aria-label": t("Head preview. Arrow keys rotate it, plus and minus change the distance, Home resets it to the front."),
    },
    drawn, image, face, hint, numbers,
  );
  const root = make("div", { class: "r3d-orbit" }, make("div", { class: "r3d-frame" }, stage, front));

  const time = () => seenOf(node).time ?? 0;
  let gone = null; // a token that the server no longer knows
  let signature = "";
  const value = (name) => widgetOf(node, name)?.value;
  const place = () => PLACE.map(([name, , , digits]) => Number(value(name) ?? (digits ? 1 : 0)));
  const fps = () => Math.max(Number(value("fps")) || 25, 1);
  const editsKeys = () => isPath && value("mode") === "keyframes";
  const keys = () => parseKeyframes(String(value("keyframes") ?? ""));
  const pathSeconds = () => secondsOfMotion(node) || Math.max(Number(value("frames")) || 1, 1) / fps();
  const seconds = () => Math.max(pathSeconds(), ...(editsKeys() ? keys().map((key) => key.time) : []), 0.04);
  const path = () => ({
    mode: value("mode"), yaw: Number(value("yaw")), pitch: Number(value("pitch")), period: Number(value("period")) || 1,
    distanceStart: Number(value("distance_start")), distanceEnd: Number(value("distance_end")),
    keyframes: String(value("keyframes") ?? ""), seconds: pathSeconds() - 1 / fps(),
  });
  const ownView = () => (isPath ? viewAt(path(), time()) : [0, 0, 0, 1]);
  let said = ""; // of the live picture
  const scene = liveScene(node, face, (sentence) => { said = sentence; signature = ""; });
  const picture = new Picture(image, () => {
    gone = headOf(node) ?? null;
    image.hidden = true;
    signature = "";
  });

  /** Sets yaw, pitch and distance of the keyframe at the playhead, or of the viewer if there is none. */
  function turn(yaw, pitch, distance) {
    if (editsKeys()) {
      const [, , roll] = ownView();
      const view = within([Math.round(yaw), Math.round(pitch), roll, +distance.toFixed(2)]);
      const text = String(value("keyframes") ?? ""), key = strip.keyNow();
      setWidget(node, "keyframes", key ? withChangedKeyframe(text, key, key.time, view) : withKeyframe(text, +time().toFixed(3), view));
    } else {
      [yaw, pitch, distance].forEach((wanted, i) => {
        const [name, low, high, digits] = PLACE[i];
        setWidget(node, name, +clamp(wanted, low, high).toFixed(digits));
      });
    }
    refresh();
  }
  const steered = () => {
    const [yaw, pitch, , distance] = ownView();
    return editsKeys() ? [yaw, pitch, distance] : place();
  };

  function refresh() {
    if (isPath) showNumbersOfMode(node);
    const seen = scene.want(), alive = seen && !face.hidden;
    const token = seen ? null : headOf(node);
    const live = token && token !== gone;
    const view = fromPlace(ownView(), place());
    const box = stage.getBoundingClientRect();
    const side = clamp(Math.ceil((Math.min(box.width, box.height) * devicePixelRatio) / STEP) * STEP, ...SIDES);
    const now = JSON.stringify([view, live && token, live && side, seen, alive, said, time(), isPath && [path(), seconds()]]);
    if (now === signature) return;
    signature = now;
    if (live) picture.want(token, view, side);
    else image.hidden = true;
    drawn.toggleAttribute("hidden", !image.hidden || alive);
    if (image.hidden && !alive) drawHead(drawn, view);
    hint.textContent = alive ? said : live ? "" : said || t("Run the workflow to see the head");
    const [yaw, pitch, , distance] = view;
    numbers.textContent = t("yaw {0}°  pitch {1}°  distance {2}", Math.round(yaw), Math.round(pitch), distance.toFixed(2));
    drawSpeech(strip.drawing, isPath ? spokenOf(node) : outputOf(node));
    strip.element.hidden = !isPath && !(savedOutput(node, "real3d_seconds") > 0.04);
    strip.refresh();
  }
  image.addEventListener("load", () => drawn.toggleAttribute("hidden", true));

  let begun;
  drag(stage, () => { begun = steered(); }, (x, y) => turn(begun[0] + x * DEGREES_PER_PIXEL, begun[1] + y * DEGREES_PER_PIXEL, begun[2]));
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [yaw, pitch, distance] = steered();
    turn(yaw, pitch, clamp(distance * Math.exp(clamp(event.deltaY, -100, 100) * 0.0006), 0.5, 2));
    changed();
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const [yaw, pitch, distance] = steered();
    const step = event.shiftKey ? 10 : 2;
    const to = {
      ArrowLeft: [yaw - step, pitch, distance], ArrowRight: [yaw + step, pitch, distance],
      ArrowUp: [yaw, pitch - step, distance], ArrowDown: [yaw, pitch + step, distance],
      "+": [yaw, pitch, clamp(distance - 0.05, 0.5, 2)], "=": [yaw, pitch, clamp(distance - 0.05, 0.5, 2)],
      "-": [yaw, pitch, clamp(distance + 0.05, 0.5, 2)], Home: [0, 0, 1],
    }[event.key];
    if (event.key === "Delete" && isPath) strip.remove(strip.keyNow());
    else if (!to) return;
    else turn(...to);
    event.preventDefault();
    changed();
  });
  front.addEventListener("click", () => { turn(0, 0, 1); changed(); });

  const text = () => String(value("keyframes") ?? "");
  const strip = isPath ? keyframeStrip(node, {
    fps, seconds, keys, refresh,
    edits: editsKeys,
    least: 1, // a path needs at least one
    label: t("Time on the camera path"),
    add() {
      const view = ownView();
      if (!editsKeys()) setWidget(node, "mode", "keyframes");
      if (!strip.keyNow()) setWidget(node, "keyframes", withKeyframe(text(), +time().toFixed(3), view));
    },
    move: (key, to) => setWidget(node, "keyframes", withChangedKeyframe(text(), key, to, key.view)),
    remove: (key) => setWidget(node, "keyframes", withoutKeyframe(text(), key)),
    ease: (key, easing) => setWidget(node, "keyframes", withChangedKeyframe(text(), key, key.time, key.view, easing)),
    sound: () => soundOf(node),
  }) : keyframeStrip(node, {
    fps, refresh, edits: () => false, keys: () => [], least: 0,
    seconds: () => savedOutput(node, "real3d_seconds") || 0.04,
    label: t("Time in the motion"),
    sound: () => soundOf(node),
  });
  root.append(strip.element);
  addElement(node, "orbit", root, STAGE + (isPath ? STRIP : 0));
  for (const name of ["real3d_source", "real3d_seconds"]) saveOutput(node, name);
  keepFresh(node, root, refresh);
  after(node, "onConfigure", refresh);
  if (isPath) after(widgetOf(node, "mode"), "callback", refresh); // before Nodes 2.0 renders it
  after(node, "onRemoved", () => picture.drop());
  refresh();
}
