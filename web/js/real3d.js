// Entry point of the front end: previews and controls inside the nodes.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addFace, rememberPortrait } from "./face.js";
import { addMotionLine } from "./motion.js";
import { addOrbitView, rememberHead } from "./orbit.js";
import { loadWords, nodeOfServer, setOutput } from "./page.js";
import { addScene } from "./scene.js";
import { addRendering } from "./rendering.js";

const PARTS = {
  Real3DCameraPath: [addOrbitView],
  Real3DRenderHead: [rememberHead],
  Real3DPreparePortrait: [rememberPortrait],
  Real3DLoadPortrait: [rememberPortrait],
  Real3DDirectTheFace: [addFace],
  Real3DTalkingPortrait: [rememberHead, rememberPortrait, addOrbitView, addRendering],
  Real3DAudioToMotion: [addMotionLine],
  Real3DVideoToMotion: [addMotionLine],
  Real3DEditMotion: [addMotionLine, addScene],
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

let cached = null; // {prompt_id, nodes}: nodes of the current run that ComfyUI takes from its cache

// ComfyUI sends no outputs for cached nodes; a page that was opened after they ran finds them in the history.
api.addEventListener("execution_cached", ({ detail }) => { cached = detail; });
api.addEventListener("executing", async ({ detail }) => {
  if (detail !== null || !cached) return; // null: the run has ended
  const { prompt_id: prompt, nodes } = cached;
  cached = null;
  const ours = () => nodes.map((id) => [id, nodeOfServer(id)]).filter(([, node]) => PARTS[node?.comfyClass]);
  if (!ours().length) return;
  const answer = await api.fetchApi(`/history/${prompt}`);
  const outputs = answer.ok ? (await answer.json())[prompt]?.outputs : null;
  for (const [id, node] of ours()) if (outputs?.[id]) setOutput(node, outputs[id]);
});
