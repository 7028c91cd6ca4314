// Hides the inputs of a camera path that do not belong to its mode. They keep their positions and values.

import { widgetOf } from "./page.js";

const NUMBERS = { orbit: ["yaw", "pitch", "period"], dolly: ["distance_start", "distance_end"], keyframes: ["keyframes"] };

export function isConnected(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  return slot >= 0 && node.isInputConnected(slot);
}

/**
 * The canvas reads the widget; Nodes 2.0 reads its options, which for a node moved into a subgraph may be those of the previous widget.
 * Canvas versions of 2025 reserve space for hidden widgets unless their height is zero.
 */
function hide(widget, hidden) {
  for (const place of [widget, widget.options, widget._state?.options]) if (place) place.hidden = hidden;
  if (hidden) widget.computeSize = () => [0, -4];
  else delete widget.computeSize;
}

/** Hides widgets of these names that are not connected, and shows those of `others`. */
export function hideWidgets(node, names, others = []) {
  const wrong = [...names.map((name) => [name, true]), ...others.map((name) => [name, false])]
    .map(([name, hidden]) => [widgetOf(node, name), hidden && !isConnected(node, name)])
    .filter(([widget, hidden]) => widget && Boolean(widget.options.hidden) !== hidden); // the page also hides widgets itself
  if (!wrong.length) return;
  for (const [widget, hidden] of wrong) hide(widget, hidden);
  node.widgets.push(node.widgets.pop()); // Nodes 2.0 does not track changes inside a widget, only of the list of widgets
  node.setDirtyCanvas(true, true);
}

export function showNumbersOfMode(node) {
  const mode = isConnected(node, "mode") ? null : widgetOf(node, "mode").value; // null: known only on the server
  const of = (wanted) => Object.entries(NUMBERS).filter(([owner]) => (mode === null || mode === owner) === wanted).flatMap(([, names]) => names);
  hideWidgets(node, of(false), of(true));
}
