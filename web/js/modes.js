// A camera path has numbers for each of its modes: those of the other modes are hidden. They keep their places and values.

import { widgetOf } from "./page.js";

const NUMBERS = { orbit: ["yaw", "pitch", "period"], dolly: ["distance_start", "distance_end"], keyframes: ["keyframes"] };

function connected(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  return slot >= 0 && node.isInputConnected(slot);
}

/** The canvas asks for the first, Nodes 2.0 for the second; a canvas of 2025 leaves room for what is hidden unless it says that it has no height. */
function hide(widget, hidden) {
  widget.hidden = widget.options.hidden = hidden;
  if (hidden) widget.computeSize = () => [0, -4];
  else delete widget.computeSize;
}

export function showNumbersOfMode(node) {
  const mode = connected(node, "mode") ? null : widgetOf(node, "mode").value; // null: only the server will know
  for (const [owner, names] of Object.entries(NUMBERS)) {
    for (const name of names) {
      const widget = widgetOf(node, name);
      const hidden = mode !== null && mode !== owner && !connected(node, name);
      if (Boolean(widget.hidden) === hidden) continue;
      hide(widget, hidden);
      node.setDirtyCanvas(true, true);
    }
  }
}
