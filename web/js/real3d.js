// The pack's part of the page: what is invisible in the graph, shown and steered inside the nodes.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addMotionLine } from "./motion.js";
import { addOrbitView, rememberHead } from "./orbit.js";
import { loadWords, nodeOfServer } from "./page.js";
import { addRendering } from "./rendering.js";

const PARTS = {
  Real3DCameraPath: [addOrbitView],
  Real3DRenderHead: [rememberHead],
  Real3DTalkingPortrait: [rememberHead, addOrbitView, addRendering],
  Real3DAudioToMotion: [addMotionLine],
  Real3DVideoToMotion: [addMotionLine],
  Real3DEditMotion: [addMotionLine],
  Real3DTalkingPortraitToVideo: [addRendering],
  Real3DSuperResolution: [addRendering],
  Real3DPasteBack: [addRendering],
};

app.registerExtension({
  name: "real3dportrait.graph",
  init: loadWords,
  nodeCreated(node) {
    for (const add of PARTS[node.comfyClass] ?? []) add(node);
  },
});

let cached = null; // {prompt, nodes: [id, node] ...}: our nodes that the run in progress takes from ComfyUI's cache

// ComfyUI sends no outputs of those, and a page that was opened after they ran has never seen them; its history has them.
api.addEventListener("execution_cached", ({ detail: { prompt_id, nodes } }) => {
  cached = { prompt: prompt_id, nodes: nodes.map((id) => [id, nodeOfServer(id)]).filter(([, node]) => PARTS[node?.comfyClass]) };
});
api.addEventListener("executing", async ({ detail }) => {
  if (detail !== null || !cached?.nodes.length) return; // null: the run has ended
  const { prompt, nodes } = cached;
  cached = null;
  const answer = await api.fetchApi(`/history/${prompt}`);
  const outputs = answer.ok ? (await answer.json())[prompt]?.outputs : null;
  for (const [id, node] of nodes) if (outputs?.[id]) node.onExecuted(outputs[id]);
});
