// How a rendering gets on: the newest frame, frames per second, and a button that cancels.

import { api } from "../../../scripts/api.js";
import { addElement, after, fit, make, nodeOfServer, t } from "./page.js";

const IDLE = 30, ACTIVE = 212;
const speed = (fps) => fps.toFixed(fps < 1 ? 2 : 1);
const boxes = new Map(); // node -> what shows its rendering

export function addRendering(node) {
  const picture = make("img", { alt: t("The newest frame"), draggable: "false" });
  const bar = make("progress", { max: "1", value: "0", "aria-label": t("Rendering") });
  const told = make("output", {}, t("The newest frame appears here while it is rendered"));
  const cancel = make("button", { type: "button", class: "r3d-button", onclick: stop }, t("Cancel"));
  const root = make("div", { class: "r3d-rendering", "data-state": "idle" }, make("div", { class: "r3d-picture" }, picture), bar, make("div", { class: "r3d-row" }, told, cancel));
  let last = null;
  addElement(node, "rendering", root, () => (root.dataset.state === "idle" ? IDLE : ACTIVE));

  function state(name, text) {
    const grows = root.dataset.state === "idle";
    root.dataset.state = name;
    told.textContent = text;
    if (grows) fit(node);
  }
  function stop() {
    state("cancelling", t("Cancelling …"));
    api.interrupt(null);
  }
  boxes.set(node, {
    show({ done, total, fps, picture: url }) {
      last = { done, total, fps };
      picture.src = url;
      bar.max = total;
      bar.value = done;
      if (root.dataset.state !== "cancelling") state("running", t("Frame {0} of {1}, {2} a second", done, total, speed(fps)));
    },
    end(how) {
      if (!["running", "cancelling"].includes(root.dataset.state)) return;
      const { done, total, fps } = last ?? { done: 0, total: 0, fps: 0 };
      if (how === "execution_success") state("done", t("{0} frames, {1} a second", total, speed(fps)));
      else state("stopped", t(how === "execution_interrupted" ? "Cancelled at frame {0} of {1}" : "Stopped at frame {0} of {1}", done, total));
    },
  });
  after(node, "onRemoved", () => boxes.delete(node));
}

api.addEventListener("real3d.rendering", ({ detail }) => boxes.get(nodeOfServer(detail.node))?.show(detail));
for (const kind of ["execution_success", "execution_error", "execution_interrupted"]) {
  api.addEventListener(kind, () => { for (const box of boxes.values()) box.end(kind); });
}
