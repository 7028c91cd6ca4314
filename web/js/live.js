// A live picture of a face: asks the server for the newest wish, one at a time, and stops while nobody looks or a workflow runs.

import { api } from "../../../scripts/api.js";
import { isConnected } from "./modes.js";
import { after, everyNode, origins, outputOf, savedOutput, seenOf, t, widgetOf } from "./page.js";

const PAUSES = [500, 1000, 2000, 4000]; // milliseconds before another try where the server does not answer
const SIDES = [128, 512], STEP = 64; // pixels that the server draws, and the step
const SETTLED = 600; // milliseconds after which a node that was resized gets a picture of its size
const PHOTO_EVERY = 500; // milliseconds between two looks at where the photo comes from
const JSON_BODY = { "Content-Type": "application/json" };

let running = false; // a queue run, of whichever page
api.addEventListener("status", ({ detail }) => { running = (detail?.exec_info?.queue_remaining ?? 0) > 0; });
for (const name of ["execution_start", "execution_success", "execution_error", "execution_interrupted"]) {
  api.addEventListener(name, () => { running = name === "execution_start"; });
}

const faces = new Set(); // those of this page
addEventListener("pagehide", () => { for (const face of faces) face.release(); });

const send = (path, body, options) => api.fetchApi(path, { method: "POST", headers: JSON_BODY, body, ...options });

export class LiveFace {
  /** `told` is called with a sentence about the picture, "" where there is none. */
  constructor(node, image, told) {
    Object.assign(this, { node, image, told, asker: crypto.getRandomValues(new Uint32Array(4)).join("-"), side: 0, sized: 0 });
    Object.assign(this, { wanted: "", shown: "", busy: false, failures: 0, next: 0 });
    after(node, "onAdded", () => faces.add(this));
    after(node, "onRemoved", () => {
      faces.delete(this);
      this.wanted = "";
      this.release();
    });
    image.addEventListener("error", () => { image.hidden = true; });
  }

  /** Wishes for {node, values, photo, motion, time}; null if there is nothing to show. Cheap to repeat. */
  want(wish) {
    this.resume();
    this.wanted = wish ? JSON.stringify({ asker: this.asker, side: this.sideNow(), ...wish }) : "";
    if (!wish) this.image.hidden = true;
    if (!this.busy && this.wanted && this.wanted !== this.shown && performance.now() >= this.next) this.ask();
    this.tellBusy();
  }

  /** Whether another picture is to come, for screen readers. */
  tellBusy() {
    const waits = Boolean(this.wanted) && (this.wanted !== this.shown || this.side !== this.fits);
    this.image.parentElement.setAttribute("aria-busy", String(waits));
  }

  /** Shows the last picture of this place at once, as after undo, which creates its nodes anew. */
  resume() {
    const { picture } = seenOf(this.node);
    if (!picture || this.image.src) return;
    this.image.src = picture;
    this.image.hidden = false;
  }

  sideNow() {
    const box = this.image.parentElement.getBoundingClientRect();
    this.fits = Math.min(Math.max(Math.ceil((Math.min(box.width, box.height) * devicePixelRatio) / STEP) * STEP, 256), SIDES[1]);
    if (this.fits === this.side || !box.width) this.sized = performance.now();
    if (!this.side || performance.now() - this.sized > SETTLED) this.side = this.fits;
    return this.side;
  }

  async ask() {
    this.busy = true;
    while (this.wanted && this.wanted !== this.shown && performance.now() >= this.next && !running && !document.hidden) {
      const asked = this.wanted;
      try {
        await this.take(asked, await send("/real3d/live", asked));
        this.failures = 0;
      } catch {
        this.wait(PAUSES[Math.min(this.failures++, PAUSES.length - 1)]);
        this.told(t("The server does not answer"));
      }
    }
    this.busy = false;
    this.tellBusy();
  }

  async take(asked, answer) {
    if (answer.status === 204) return;
    if (!answer.ok) throw new Error(answer.statusText);
    if (answer.headers.get("content-type") === "image/jpeg") {
      await this.show(await answer.blob());
      this.told("");
    } else {
      const { state, error } = await answer.json();
      if (state === "busy") return this.wait(PAUSES[0]);
      if (state === "gone") this.image.hidden = true;
      this.told(state === "gone" ? t("Run once to see the face") : error);
    }
    this.shown = asked;
  }

  wait(milliseconds) {
    this.next = performance.now() + milliseconds;
  }

  async show(blob) {
    const before = seenOf(this.node).picture, picture = URL.createObjectURL(blob);
    seenOf(this.node).picture = picture;
    this.image.src = picture;
    this.image.hidden = false;
    await this.image.decode().catch(() => {});
    if (before) URL.revokeObjectURL(before);
  }

  release() {
    this.shown = "";
    send("/real3d/live/release", JSON.stringify({ asker: this.asker }), { keepalive: true }).catch(() => {}); // gone anyway
  }
}

const works = (node) => !node.mode; // neither muted nor bypassed

/** The photo file that an input gets from a load node. */
function fileOf(node, input) {
  const [loader] = origins(node, input);
  if (!loader || !works(loader) || !["LoadImage", "LoadImageOutput"].includes(loader.comfyClass) || isConnected(loader, "image")) return null;
  const file = widgetOf(loader, "image")?.value;
  return typeof file === "string" && file ? { file } : null;
}

/** The portrait that a node of ours prepares: by its photo file if nothing else decides it, else that of its last run. */
function portraitBy(node) {
  const given = ["person_mask", "face_landmarks", "face_index", "face_area"].some((name) => isConnected(node, name));
  const file = given || !works(node) ? null : fileOf(node, "image");
  if (file) {
    const numbers = ["face_index", "face_area"].map((name) => [name, widgetOf(node, name)?.value]).filter(([, value]) => value !== undefined);
    return { ...file, ...Object.fromEntries(numbers) };
  }
  const token = savedOutput(node, "real3d_portrait");
  return token ? { token } : null;
}

const prepares = (node) => ["Real3DPreparePortrait", "Real3DLoadPortrait", "Real3DTalkingPortrait"].includes(node.comfyClass);

/** All nodes that a node depends on, itself included. */
function upstream(node, found = new Set()) {
  if (found.has(node)) return found;
  found.add(node);
  for (const { name } of node.inputs ?? []) for (const one of origins(node, name)) upstream(one, found);
  return found;
}

/** What the nearest node before a node's motion has told of its curves and sound; null before a run. */
export function spokenOf(node, hops = 20) {
  for (const one of hops ? origins(node, "motion") : []) {
    const output = outputOf(one), before = output?.real3d_sound?.length ? null : spokenOf(one, hops - 1);
    if (output?.real3d_curves?.length) return before?.real3d_sound?.length ? { ...output, real3d_sound: before.real3d_sound } : output;
    if (before) return before;
  }
  return null;
}

/** The address of the sound file that drives a node, "" where it is not from a load node. */
export function soundOf(node) {
  for (const one of upstream(node)) {
    const file = one.comfyClass === "LoadAudio" && works(one) && !isConnected(one, "audio") ? widgetOf(one, "audio")?.value : null;
    if (typeof file !== "string" || !file) continue;
    const [, name, folder = "input"] = file.match(/^(.*?)(?: \[(input|output|temp)\])?$/), parts = name.split("/");
    const query = new URLSearchParams({ filename: parts.pop(), subfolder: parts.join("/"), type: folder });
    return api.apiURL(`/view?${query}`);
  }
  return "";
}

/** The photo of the face that a node changes or shows: its own, else that of the nodes that it leads to. */
export function photoOf(node) {
  if (prepares(node)) return portraitBy(node);
  for (const input of ["photo", "portrait"]) {
    const [origin] = origins(node, input);
    if (!origin) continue;
    if (prepares(origin)) return portraitBy(origin);
    const token = savedOutput(node, "real3d_portrait");
    return fileOf(node, input) ?? (token ? { token } : null);
  }
  for (const one of everyNode()) {
    if (!one.comfyClass?.startsWith("Real3D")) continue;
    const before = upstream(one);
    const portrait = before.has(node) && [...before].find((other) => other !== node && prepares(other));
    if (portrait) return portraitBy(portrait);
  }
  return null;
}

/** Whether no node loads other avatars than the built-in one, which draws the live faces. */
const builtIn = () => everyNode().every((one) => one.comfyClass !== "Real3DLoadAvatar" || String(widgetOf(one, "avatar")?.value).endsWith("(built in)"));

/** The live picture of a node: wishes for the moment of its playhead, with its widgets as they are. */
export function liveScene(node, image, told) {
  const live = new LiveFace(node, image, told);
  let photo = null, sought = -Infinity;
  return {
    /** Whether there is a photo to show; other: values in place of some widgets. */
    want(other = {}) {
      if (performance.now() - sought > PHOTO_EVERY) {
        photo = builtIn() ? photoOf(node) : null;
        sought = performance.now();
      }
      const widgets = (node.widgets ?? []).filter((one) => one.serialize !== false && one.name !== "control_after_generate" && !isConnected(node, one.name));
      const values = Object.fromEntries(widgets.map((one) => [one.name, one.value]));
      const runs = {};
      for (const [name, output] of [["motion", "real3d_source"], ["second", "real3d_second"]]) {
        const token = node.inputs?.some((one) => one.name === name) && !isConnected(node, name) ? null : savedOutput(node, output);
        if (token) runs[name] = token;
      }
      live.want(photo ? { node: node.comfyClass, photo, values: { ...values, ...other }, time: seenOf(node).time ?? 0, ...runs } : null);
      return Boolean(photo);
    },
  };
}
