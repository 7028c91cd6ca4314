// The pack's part of the page: what is invisible in the graph, shown and steered inside the nodes.

import { app } from "../../../scripts/app.js";
import { addMotionLine } from "./motion.js";
import { addOrbitView, rememberHead } from "./orbit.js";
import { loadWords } from "./page.js";
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
