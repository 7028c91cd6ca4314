// Rendering progress: the latest frame, the speed, and a cancel button.

import { api } from "../../../scripts/api.js";
import { addElement, keepFresh, make, nodeOfServer, seenOf, t } from "./page.js";

const HEIGHT = 212;
const speed = (fps) => fps.toFixed(fps < 1 ? 2 : 1);

let run = { cancelled: false, end: "" }; // the latest run; each rendering refers to its own

function state({ run }) {
  if (run.end) return run.end === "execution_success" ? "done" : "stopped";
  return run.cancelled ? "cancelling" : "running";
}

function sentence({ done, total, fps, run }) {
  return {
    running: () => t("Frame {0} of {1}, {2} fps", done, total, speed(fps)),
    cancelling: () => t("Cancelling …"),
    done: () => t("{0} frames, {1} fps", total, speed(fps)),
    stopped: () => t(run.end === "execution_interrupted" ? "Cancelled at frame {0} of {1}" : "Stopped at frame {0} of {1}", done, total),
  };
}

export function addRendering(node) {
  const picture = make("img", { alt: t("Latest frame"), draggable: "false" });
  const bar = make("progress", { max: "1", value: "0", "aria-label": t("Rendering") });
  const hint = make("p", { class: "r3d-empty" }, t("The latest frame appears here during rendering"));
  const told = make("output");
  const cancel = make("button", { type: "button", class: "r3d-button", onclick: stop }, t("Cancel"));
  const root = make("div", { class: "r3d-rendering", "data-state": "idle" }, make("div", { class: "r3d-picture" }, picture, hint), bar, make("div", { class: "r3d-row" }, told, cancel));
  addElement(node, "rendering", root, HEIGHT);

  function refresh() {
    const { rendering } = seenOf(node);
    const now = rendering ? state(rendering) : "idle";
    told.textContent = rendering ? sentence(rendering)[now]() : "";
    if (rendering && picture.getAttribute("src") !== rendering.picture) picture.src = rendering.picture;
    bar.max = rendering?.total ?? 1;
    bar.value = rendering?.done ?? 0;
    root.dataset.state = now;
  }
  function stop() {
    const { rendering } = seenOf(node);
    if (!rendering) return;
    rendering.run.cancelled = true;
    refresh();
    api.interrupt(null);
  }
  keepFresh(node, root, refresh);
  refresh();
}

api.addEventListener("real3d.rendering", ({ detail }) => {
  const node = nodeOfServer(detail.node);
  if (node) seenOf(node).rendering = { ...detail, run };
});
for (const end of ["execution_success", "execution_error", "execution_interrupted"]) {
  api.addEventListener(end, () => {
    run.end = end;
    run = { cancelled: false, end: "" };
  });
}
