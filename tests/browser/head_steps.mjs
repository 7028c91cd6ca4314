// Steps that turn the head: dragged, steered by keyframes, undone, copied, seen in every mode and inside subgraphs.
import {
  dragStage, drawing, face, faceAtRest, fit, heads, headsAtRest, idOf, load, page, pageTime, picture, plan, press, say, seen, shown, tell, until, values, where, withoutPhotos,
} from "./page.mjs";

export async function orbit(type, example) {
  await load(withoutPhotos(plan.examples[example]), [type]);
  const told = { type, before: await values(type), drawn: await drawing() };
  const place = await where(type);
  await dragStage(60, -25);
  told.dragged = await values(type);
  told.drawnTurned = await drawing();
  told.stayed = JSON.stringify(place) === JSON.stringify(await where(type));
  await picture(`${type}_drawn`);
  if (plan.head) {
    const owner = type === "Real3DCameraPath" ? "Real3DRenderHead" : type;
    await say(owner, { real3d_head: [plan.head] });
    await until(async () => (await face()) !== "");
  }
  told.face = await faceAtRest();
  await picture(`${type}_live`);
  await dragStage(-110, 30);
  told.draggedLive = await values(type);
  told.faceTurned = await faceAtRest();
  await picture(`${type}_turned`);
  const box = await shown(".r3d-stage").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const scale = await page.evaluate(() => window.app.canvas.ds.scale);
  await page.mouse.wheel(0, 240);
  await page.waitForTimeout(300);
  told.wheeled = await values(type);
  told.zoomed = scale !== (await page.evaluate(() => window.app.canvas.ds.scale));
  await shown(".r3d-stage").focus();
  for (const key of ["ArrowRight", "ArrowDown", "+"]) await page.keyboard.press(key);
  told.keyed = await values(type);
  // the other way round: a number that is typed turns the picture
  await page.waitForTimeout(400);
  const before = await face();
  await page.evaluate((type) => {
    const node = window.app.graph.nodes.find((one) => one.type === type);
    node.widgets.find((widget) => widget.name === "view_yaw").value = -33;
  }, type);
  told.followed = await until(async () => (await face()) !== before && (await shown(".r3d-numbers").innerText()).includes("-33"));
  told.numbers = await shown(".r3d-numbers").innerText();
  seen[`orbit_${type}`] = told;
}

/** Keyframes: added, moved, deleted with the keys, and steered by dragging. */
export async function keyframes(example) {
  const type = "Real3DCameraPath";
  await load(withoutPhotos(plan.examples[example]), [type]);
  const told = { before: (await values(type)).keyframes };
  const track = shown(".r3d-track");
  const box = await track.boundingBox();
  await page.mouse.click(box.x + box.width * 0.75, box.y + 3);
  await page.getByRole("button", { name: "Add a keyframe here" }).first().click();
  told.added = await values(type);
  await dragStage(50, 0);
  told.dragged = (await values(type)).keyframes;
  const keys = page.locator(".r3d-key");
  told.count = await keys.count();
  await keys.nth(1).focus();
  await page.keyboard.press("ArrowRight");
  told.moved = (await values(type)).keyframes;
  await picture("keyframes");
  await page.keyboard.press("Delete");
  told.deleted = (await values(type)).keyframes;
  told.nodeIsThere = await page.evaluate(() => window.app.graph.nodes.some((one) => one.type === "Real3DCameraPath"));
  const third = await keys.nth(1).boundingBox();
  await page.mouse.move(third.x + third.width / 2, third.y + third.height / 2);
  await page.mouse.down();
  await page.mouse.move(third.x - box.width * 0.1, third.y + 5, { steps: 4 });
  await page.mouse.up();
  told.draggedKey = (await values(type)).keyframes;
  const again = await page.evaluate(async () => {
    const saved = JSON.parse(JSON.stringify(window.app.graph.serialize()));
    await window.app.loadGraphData(saved);
    const of = (graph) => graph.nodes.filter((node) => node.type.startsWith("Real3D")).map((node) => [node.id, node.widgets_values]);
    return [JSON.stringify(of(saved)), JSON.stringify(of(window.app.graph.serialize()))];
  });
  told.savedAndLoaded = again[0] === again[1];
  told.reloaded = (await values(type)).keyframes;
  seen.keyframes = told;
}

/** Makes what the page and the run have changed so far a step of undo of its own. */
async function settleUndo() {
  await page.evaluate(() => {
    const { changeTracker } = window.app.extensionManager.workflow.activeWorkflow;
    changeTracker.beforeChange();
    changeTracker.afterChange();
  });
  await page.waitForTimeout(200); // the page adds to a step what changes in the next 50 ms
}

/** The head is dragged, undone, done again, copied and loaded anew; what is seen must be what the widgets hold. */
export async function again(type, example) {
  await load(withoutPhotos(plan.examples[example]), [type]);
  const owner = type === "Real3DCameraPath" ? "Real3DRenderHead" : type;
  await say(owner, { real3d_head: [plan.head] });
  await until(async () => (await face()) !== "");
  await settleUndo();
  const told = {};
  const note = async (name) => {
    told[name] = await headsAtRest();
    await picture(`${type}_${name}`);
  };
  await dragStage(30, 0);
  await note("first");
  await dragStage(50, 20);
  await note("second");
  await press("Control+z");
  await note("undone");
  await press("Control+z");
  await note("undoneTwice");
  await press("Control+y");
  await note("redone");
  await dragStage(-75, 0);
  await note("draggedOn");
  const id = await idOf(type);
  if (type === owner) {
    await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
    told.rendering = await page.locator(".r3d-rendering output").allInnerTexts();
    await press("Control+z");
    await note("undoneWhileRendering");
    told.renderingAfter = await page.locator(".r3d-rendering output").allInnerTexts();
    await tell("real3d.rendering", { node: id, done: 13, total: 60, fps: 8.25, picture: plan.frame });
    told.renderingOn = await page.locator(".r3d-rendering output").allInnerTexts();
    await tell("execution_success", { prompt_id: "test" });
    told.renderingDone = await page.locator(".r3d-rendering output").allInnerTexts();
  }
  await page.evaluate((id) => {
    const { canvas, graph } = window.app;
    document.activeElement?.blur();
    canvas.select(graph.nodes.find((node) => String(node.id) === id));
  }, id);
  await press("Control+c");
  await page.mouse.move(800, 950);
  await page.keyboard.press("Control+v");
  await pageTime(320);
  await page.evaluate((type) => {
    const [one, copy] = window.app.graph.nodes.filter((node) => node.type === type);
    copy.pos = [one.pos[0] + one.size[0] + 60, one.pos[1]];
    copy.widgets.find((widget) => widget.name === "view_yaw").value = 33;
  }, type);
  await fit([type]);
  await note("copied");
  await page.evaluate(async () => window.app.loadGraphData(JSON.parse(JSON.stringify(window.app.graph.serialize()))));
  await fit([type]);
  await until(async () => JSON.stringify(await heads()) === JSON.stringify(told.copied)); // each has to fetch its picture again
  await note("reloaded");
  told.prompt = await page.evaluate(async (type) => Object.values((await window.app.graphToPrompt()).output).find((node) => node.class_type === type).inputs, type);
  seen[`again_${type}`] = told;
}

/** Which widgets of a camera path can be seen in each mode, and its orbit picture when the node is made larger. */
export async function modes(example) {
  const type = "Real3DCameraPath";
  await load(withoutPhotos(plan.examples[example]), [type]);
  await say("Real3DRenderHead", { real3d_head: [plan.head] });
  const told = { seen: {}, before: await values(type) };
  const choose = async (mode) => {
    await page.evaluate(([type, mode]) => {
      const widget = window.app.canvas.graph.nodes.find((one) => one.type === type).widgets.find((one) => one.name === "mode");
      widget.value = mode;
      widget.callback?.(mode);
    }, [type, mode]);
    await pageTime(320);
  };
  const listed = () => page.evaluate(([type, vue]) => {
    const node = window.app.canvas.graph.nodes.find((one) => one.type === type);
    const labels = [...document.querySelectorAll(`[data-node-id="${node.id}"] .lg-node-widget`)].map((row) => row.innerText.trim().split("\n")[0]);
    return node.widgets.filter((one) => {
      if (one.connectionSuppressed) return !one.options.hidden; // newer pages show the socket alone
      if (vue && labels.includes(one.name.replaceAll("_", " "))) return true;
      return one.element ? one.element.checkVisibility() && one.element.getBoundingClientRect().width : !vue && node.isWidgetVisible(one);
    }).map((one) => one.name);
  }, [type, plan.vue]);
  for (const mode of ["static", "orbit", "dolly", "keyframes"]) {
    await choose(mode);
    told.seen[mode] = await listed();
    await picture(`mode_${mode}`);
  }
  told.after = await values(type);
  const stored = await page.evaluate((type) => window.app.graph.serialize().nodes.find((node) => node.type === type).widgets_values, type);
  told.stored = stored.length;
  const size = () => page.evaluate(() => [document.querySelector(".r3d-stage").clientHeight, document.querySelector(".r3d-stage img").naturalWidth]);
  told.small = await size();
  await page.evaluate((type) => {
    const node = window.app.graph.nodes.find((one) => one.type === type);
    node.setSize([620, 1400]);
    node.setDirtyCanvas(true, true);
  }, type);
  await until(async () => (await size()).every((one) => one > 300), 20000);
  told.large = await size();
  await picture("grown");
  // a number of another mode is connected, and then the node is put into a subgraph
  await load(withoutPhotos(plan.examples[example]), [type]);
  await choose("dolly");
  const connect = (from) => page.evaluate(([type, from]) => {
    const { graph } = window.app, path = graph.nodes.find((one) => one.type === type), slot = path.inputs.findIndex((one) => one.name === "yaw");
    const source = graph.nodes.find((one) => one.type === from);
    if (source) source.connect(source.outputs.findIndex((one) => one.name === "fps"), path, slot);
    else path.disconnectInput(slot);
  }, [type, from]);
  await connect("Real3DRenderPasses");
  await pageTime(320);
  told.connected = await listed();
  await connect(null);
  await pageTime(320);
  told.disconnected = await listed();
  await page.evaluate((type) => {
    const { graph, canvas } = window.app;
    const { node } = graph.convertToSubgraph(new Set([graph.nodes.find((one) => one.type === type)]));
    canvas.openSubgraph(node.subgraph, node);
    const [path] = node.subgraph.nodes;
    [canvas.ds.scale, canvas.ds.offset[0], canvas.ds.offset[1]] = [1, 300 - path.pos[0], 120 - path.pos[1]];
  }, type);
  await pageTime(320);
  await choose("orbit");
  told.inside = await listed();
  await picture("mode_inside");
  seen.modes = told;
}

/** A camera path two subgraphs deep, and its motion in another one; the simple node two deep: the server calls them "1:2:3". */
export async function subgraphs(path, simple) {
  /** Puts the only node of a type into a subgraph; the id that the server has for what is inside. */
  const wrap = (type, times) => page.evaluate(([type, times]) => {
    const { graph } = window.app;
    const within = (one) => one.type === type || one.subgraph?.nodes.some(within);
    for (let i = 0; i < times; i++) graph.convertToSubgraph(new Set([graph.nodes.find(within)]));
    const ids = [];
    for (let inside = graph; inside;) {
      const node = inside.nodes.find(within);
      ids.push(node.id);
      inside = node.subgraph;
    }
    return ids.join(":");
  }, [type, times]);
  const open = async (id) => {
    await page.evaluate((id) => {
      const { canvas } = window.app;
      for (const part of id.split(":").slice(0, -1)) {
        const node = canvas.graph.nodes.find((one) => String(one.id) === part);
        canvas.openSubgraph(node.subgraph, node);
      }
      const [node] = canvas.graph.nodes;
      [canvas.ds.scale, canvas.ds.offset[0], canvas.ds.offset[1]] = [1, 300 - node.pos[0], 120 - node.pos[1]];
      canvas.setDirty(true, true);
    }, id);
    await pageTime(320);
  };
  await load(withoutPhotos(plan.examples[path]));
  const [camera, motion] = [await wrap("Real3DCameraPath", 2), await wrap("Real3DAudioToMotion", 1)];
  await say("Real3DRenderHead", { real3d_head: [plan.head] });
  await say("Real3DAudioToMotion", { ...plan.motion, real3d_seconds: [0.6] }, motion);
  await open(camera);
  const told = { camera, path: await headsAtRest(), clock: await shown(".r3d-strip .r3d-clock").innerText() };
  await settleUndo();
  await dragStage(30, 0);
  told.pathDragged = await headsAtRest();
  await picture("subgraph_path");
  await press("Control+z");
  await until(async () => JSON.stringify(await heads()) !== JSON.stringify(told.pathDragged)); // undo loads the whole graph, which takes a while
  told.pathUndone = await headsAtRest();
  await load(withoutPhotos(plan.examples[simple]));
  const id = await wrap("Real3DTalkingPortrait", 2);
  await say("Real3DTalkingPortrait", { real3d_head: [plan.head] }, id);
  await open(id);
  await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
  told.simple = await headsAtRest();
  told.rendering = await page.locator(".r3d-rendering output").innerText();
  await picture("subgraph_simple");
  seen.subgraphs = told;
}
