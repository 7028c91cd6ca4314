// The face of 'Edit motion': the live picture of its motion's moment, as edited now.

import { liveScene, soundOf } from "./live.js";
import { addElement, keepFresh, make, saveOutput, savedOutput, t } from "./page.js";
import { keyframeStrip } from "./strip.js";

const LEAST = 250;

export function addScene(node) {
  const image = make("img", { alt: t("The edited motion"), draggable: "false", hidden: "" });
  const hint = make("p", { class: "r3d-empty", role: "status" });
  let said = "";
  const scene = liveScene(node, image, (sentence) => { said = sentence; });
  const seconds = () => savedOutput(node, "real3d_seconds") || 0.04;
  const strip = keyframeStrip(node, {
    refresh, seconds, fps: () => 25, edits: () => false, keys: () => [], least: 0, label: t("Time in the motion"), sound: () => soundOf(node),
  });
  const root = make("div", { class: "r3d-face r3d-scene" }, make("div", { class: "r3d-frame" }, make("div", { class: "r3d-stage" }, image, hint)), strip.element);

  function refresh() {
    const ran = Boolean(savedOutput(node, "real3d_source"));
    hint.textContent = scene.want() && ran ? said : t("Run once to see the face");
    strip.element.hidden = !ran;
    strip.refresh();
  }
  addElement(node, "scene", root, LEAST);
  for (const name of ["real3d_source", "real3d_second"]) saveOutput(node, name);
  keepFresh(node, root, refresh);
  refresh();
}
