// A camera path has numbers for each of its modes: those of the other modes are hidden. They keep their places and values.

import { widgetOf } from "./page.js";

const NUMBERS = { orbit: ["yaw", "pitch", "period"], dolly: ["distance_start", "distance_end"], keyframes: ["keyframes"] };

function connected(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  return slot >= 0 && node.isInputConnected(slot);
}

/**
 * The canvas asks the widget, Nodes 2.0 its options, or those that it has kept of the widget that was here before: of a node that has been
 * put into a subgraph. A canvas of 2025 leaves room for what is hidden unless it says that it has no height.
 */
function hide(widget, hidden) {
  for (const place of [widget, widget.options, widget._state?.options]) if (place) place.hidden = hidden;
  if (hidden) widget.computeSize = () => [0, -4];
  else delete widget.computeSize;
}

export function showNumbersOfMode(node) {
  const mode = connected(node, "mode") ? null : widgetOf(node, "mode").value; // null: only the server will know
  const wrong = Object.entries(NUMBERS)
    .flatMap(([owner, names]) => names.map((name) => [widgetOf(node, name), mode !== null && mode !== owner && !connected(node, name)]))
    .filter(([widget, hidden]) => Boolean(widget.options.hidden) !== hidden); // the page hides some widgets for reasons of its own
  if (!wrong.length) return;
  for (const [widget, hidden] of wrong) hide(widget, hidden);
  node.widgets.push(node.widgets.pop()); // Nodes 2.0 does not see what changes in a widget, but looks at all of them when their list does
  node.setDirtyCanvas(true, true);
}
