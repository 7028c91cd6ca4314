// Shared helpers: translations, elements, widgets, and access to the page and its graph.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";

let table = {};

/** Loads the translations of locales/<language>/main.json, "real3d"; English needs none. */
export async function loadWords() {
  const language = app.extensionManager?.setting?.get?.("Comfy.Locale") ?? "en";
  if (language === "en") return;
  try {
    const answer = await api.fetchApi("/i18n");
    table = (await answer.json())[language]?.real3d ?? {};
  } catch {
    table = {}; // fall back to English
  }
}

/** Translates an English text and fills in {0}, {1} ... */
export const t = (text, ...values) => (table[text] ?? text).replace(/\{(\d)\}/g, (_, number) => values[number]);

/** An element with attributes and children; attributes whose names begin with "on" are listeners. */
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "ellipse", "rect", "text"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const widgetOf = (node, name) => node.widgets?.find((widget) => widget.name === name);

/** Sets a widget's value as a user would, with its callback. */
export function setWidget(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  widget.value = value;
  widget.callback?.(value);
  node.setDirtyCanvas?.(true, true);
}

const changeTracker = () => app.extensionManager?.workflow?.activeWorkflow?.changeTracker;

/** Begins one undo step of the page; returns the function that ends it. */
export function step() {
  const tracker = changeTracker();
  tracker?.beforeChange();
  return () => tracker?.afterChange();
}

/** Marks the workflow as changed, for undo and the unsaved indicator. */
export const changed = () => step()();

/** A listener for keys on inputs, where the page leaves undo to the browser, which has none for sliders. */
export function undoneBy(event) {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
  event.preventDefault();
  if (key === "y" || event.shiftKey) changeTracker()?.redo();
  else changeTracker()?.undo();
}

let elements = 0;

/**
 * Adds an element below a node's widgets, at least `least` pixels high; it grows with the node. Its value is not saved.
 * Nodes 2.0 keeps the first element as long as node id, name and type stay the same, and undo creates a new node with the old id.
 * Therefore each element has a unique type.
 */
export function addElement(node, name, element, least) {
  element.classList.add("real3d");
  element.prepend(make("link", { rel: "stylesheet", href: new URL("./real3d.css", import.meta.url).href }));
  // keep events from the canvas: no dragging or deleting of the node, no zooming
  for (const kind of ["pointerdown", "mousedown", "dblclick", "contextmenu", "keydown", "wheel"]) {
    element.addEventListener(kind, (event) => event.stopPropagation());
  }
  element.dataset.captureWheel = "true";
  const widget = node.addDOMWidget(name, `REAL3D_${name.toUpperCase()}_${++elements}`, element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => least,
  });
  widget.serialize = false;
  const wanted = node.computeSize();
  node.setSize([Math.max(node.size[0], wanted[0]), Math.max(node.size[1], wanted[1])]);
}

/** Calls `then` after a method of this one node, or of one of its widgets. */
export function after(owner, method, then) {
  const own = owner[method];
  owner[method] = function (...values) {
    const result = own?.apply(this, values);
    then.apply(this, values);
    return result;
  };
}

const views = new Set();

/** Calls `refresh` a few times a second while the node is in a graph and its element is visible. */
export function keepFresh(node, element, refresh) {
  const view = { element, refresh };
  after(node, "onAdded", () => views.add(view));
  after(node, "onRemoved", () => views.delete(view));
}

setInterval(() => {
  if (document.hidden) return;
  for (const { element, refresh } of views) if (element.isConnected) refresh();
}, 150);

/** Identifies a node by its place in the workflow, which survives undo and reload. */
const placeOf = (node) => (node.graph && !node.graph.isRootGraph ? `${node.graph.id}:${node.id}` : String(node.id));

/** The outputs of a node's latest run; the page keeps them while the workflow is open. */
export const outputOf = (node) => app.nodeOutputs?.[placeOf(node)];

/** Passes a node an output that the page was not sent. */
export function setOutput(node, output) {
  app.nodeOutputs[placeOf(node)] = output;
  node.onExecuted?.(output);
}

/** Saves the first value of an output with the workflow, so that it survives a reload. */
export function saveOutput(node, name) {
  after(node, "onExecuted", (output) => {
    if (output?.[name]?.length) node.properties[name] = output[name][0];
  });
}
export const savedOutput = (node, name) => outputOf(node)?.[name]?.[0] ?? node.properties?.[name];

const seen = new WeakMap(); // workflow -> Map of place -> view state

/** View state of a node that is not saved with it: an object for its place, kept while the workflow is open. */
export function seenOf(node) {
  const workflow = app.extensionManager?.workflow?.activeWorkflow ?? app;
  if (!seen.has(workflow)) seen.set(workflow, new Map());
  const places = seen.get(workflow), place = placeOf(node);
  if (!places.has(place)) places.set(place, {});
  return places.get(place);
}

/** All nodes of the workflow, including those inside subgraphs. */
export function everyNode() {
  const root = app.rootGraph ?? app.graph;
  return [root, ...(root.subgraphs?.values() ?? [])].flatMap((graph) => [...graph.nodes]);
}

/** The nodes that feed an input, followed through reroutes and subgraph boundaries; inside a subgraph that is used twice there may be two. */
export function origins(node, input) {
  const slot = node.graph ? (node.inputs?.findIndex((one) => one.name === input) ?? -1) : -1; // a new node is not in a graph yet
  return slot < 0 ? [] : behind(node.graph, node, slot);
}

function behind(graph, target, targetSlot) {
  const link = [...graph.links.values()].find((one) => String(one.target_id) === String(target.id) && one.target_slot === targetSlot);
  if (!link) return [];
  const node = graph.getNodeById(link.origin_id), slot = link.origin_slot;
  if (!node) return everyNode().filter((one) => one.subgraph === graph).flatMap((one) => behind(one.graph, one, slot));
  if (node.subgraph) return behind(node.subgraph, node.subgraph.outputNode, slot);
  if (node.isVirtualNode) return behind(graph, node, 0);
  return [node];
}

/** The node for a server id: "12" or, inside subgraphs, "3:12". */
export function nodeOfServer(id) {
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of String(id).split(":")) {
    node = graph?.nodes?.find((one) => String(one.id) === part) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/** Tracks a drag that starts on an element; move gets the offset in pixels and the event. One drag is one undo step. */
export function drag(element, start, move) {
  element.addEventListener("pointerdown", (down) => {
    if (down.button !== 0 || start(down) === false) return;
    down.preventDefault();
    element.focus({ preventScroll: true });
    element.setPointerCapture(down.pointerId);
    const done = step();
    const following = new AbortController();
    const up = () => {
      following.abort();
      done();
    };
    element.addEventListener("pointermove", (event) => move(event.clientX - down.clientX, event.clientY - down.clientY, event), { signal: following.signal });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, up, { signal: following.signal, capture: true }); // on the window, since undo may remove the element
  });
}
