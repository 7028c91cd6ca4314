// Opens ComfyUI's page in headless Chromium, loads the examples, uses the pack's widgets, takes pictures, and prints what it saw as JSON.
//
//   node look.mjs URL PLAN.json
//
// PLAN.json: {modules, chromium, pictures, vue, light, locale, examples: {name: workflow}, said: {node type: output of a run},
// steps: [...], run: name of an example to queue}. What is true or false of the page is for the caller to judge.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

const [, , url, file] = process.argv;
const plan = JSON.parse(fs.readFileSync(file, "utf8"));
const { chromium } = createRequire(path.join(plan.modules, "x.js"))("playwright-core");

const browser = await chromium.launch({
  executablePath: plan.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--proxy-bypass-list=127.0.0.1;localhost"],
});
const seen = { problems: [], notes: [], examples: {} };
const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });

function watch() {
  const note = (text, ours) => (ours ? seen.problems : seen.notes).push(text.split("\n")[0]);
  page.on("console", (message) => {
    const where = message.location().url;
    if (message.type() === "error") note(`console: ${message.text()}`, /real3d/i.test(`${where} ${message.text()}`) && !where.includes("/view?"));
  });
  page.on("pageerror", (error) => note(`page error: ${error.message}`, /extensions\//.test(error.stack ?? "")));
  page.on("response", (answer) => {
    if (answer.status() >= 400) note(`${answer.status()} ${new URL(answer.url()).pathname}`, answer.url().includes("/extensions/"));
  });
}

async function open() {
  await page.route(/^https?:\/\/(?!127\.0\.0\.1|localhost)/, (route) => route.abort());
  const settings = {
    "Comfy.TutorialCompleted": true, "Comfy.Locale": plan.locale ?? "en", "Comfy.InstalledVersion": "1.27.10",
    "Comfy.Workflow.ShowMissingModelsWarning": false, "Comfy.VueNodes.Enabled": Boolean(plan.vue), "Comfy.ColorPalette": plan.light ? "light" : "dark",
    "Comfy.Workflow.Persist": false,
  };
  for (const [key, value] of Object.entries(settings)) {
    await page.request.post(`${url}/api/settings/${key}`, { data: JSON.stringify(value), headers: { "content-type": "application/json" } });
  }
  await copyFiles();
  await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [] } })); // whatever this machine has
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForFunction(() => window.app?.graph && window.app?.extensionManager && window.LiteGraph?.registered_node_types?.Real3DCameraPath, null, { timeout: 60000 });
  await page.waitForTimeout(plan.settle ?? 800);
  await page.keyboard.press("Escape");
}

/** Puts the files of the examples into the input folder, so that the page does not ask for them. */
async function copyFiles() {
  const names = [...new Set(JSON.stringify(plan.examples).match(/real3d_\w+\.\w+/g))];
  await page.request.post(`${url}/real3d/examples`, { data: names });
}

/** Loads a workflow and shows the nodes of these types, or all, as large as they fit. */
async function load(workflow, types = null) {
  await page.evaluate(async (workflow) => window.app.loadGraphData(workflow), workflow);
  await page.waitForTimeout(250);
  await fit(types);
}

async function fit(types) {
  await page.evaluate((types) => {
    const { graph, canvas } = window.app;
    const nodes = graph.nodes.filter((node) => !types || types.includes(node.type));
    const left = Math.min(...nodes.map((node) => node.pos[0])), right = Math.max(...nodes.map((node) => node.pos[0] + node.size[0]));
    const top = Math.min(...nodes.map((node) => node.pos[1])) - 40, bottom = Math.max(...nodes.map((node) => node.pos[1] + node.size[1]));
    const [room, high] = [window.innerWidth - 160, window.innerHeight - 170];
    const scale = Math.min(room / (right - left), high / (bottom - top), 1.25);
    canvas.ds.scale = scale;
    canvas.ds.offset[0] = 90 / scale - left;
    canvas.ds.offset[1] = 110 / scale - top;
    graph.setDirtyCanvas(true, true);
  }, types);
  await page.waitForTimeout(300);
}

const picture = (name) => page.screenshot({ path: path.join(plan.pictures, `${name}.png`) });
const values = (type) => page.evaluate((type) => {
  const node = window.app.graph.nodes.find((one) => one.type === type);
  return Object.fromEntries((node.widgets ?? []).filter((widget) => widget.serialize !== false).map((widget) => [widget.name, widget.value]));
}, type);
const shown = (selector) => page.locator(selector).first();
async function until(test, milliseconds = 5000) {
  for (let waited = 0; waited < milliseconds; waited += 100) {
    if (await test()) return true;
    await page.waitForTimeout(100);
  }
  return false;
}
// A picture's pixels as text, null if it is gone. ComfyUI forbids to fetch a blob, an image may show it.
await page.addInitScript(() => {
  globalThis.pixelsOf = async (source) => {
    const image = new Image();
    image.src = source;
    if (await image.decode().then(() => false, () => true)) return null;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL();
  };
});

/** The rendered picture of the orbit view as a digest, "" if there is none. */
const face = () => page.evaluate(async () => {
  const image = document.querySelector(".r3d-stage img");
  const pixels = image && !image.hidden && image.src ? await globalThis.pixelsOf(image.src) : null;
  if (!pixels) return "";
  return `${pixels.length}:${[...new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(pixels)))].slice(0, 6).join(".")}`;
});
/** The same once it stays. */
async function faceAtRest() {
  let last = null;
  await until(async () => {
    const now = await face();
    await page.waitForTimeout(700);
    const rests = now !== "" && now === last;
    last = now;
    return rests;
  }, 3000);
  return last;
}
const drawing = () => page.evaluate(() => document.querySelector(".r3d-stage svg:not([hidden]) path")?.getAttribute("d") ?? "");

async function dragStage(x, y) {
  const box = await shown(".r3d-stage").boundingBox();
  const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(cx, cy);
  await page.mouse.down();
  for (let i = 1; i <= 5; i++) await page.mouse.move(cx + (x * i) / 5, cy + (y * i) / 5);
  await page.mouse.up();
  await page.waitForTimeout(250);
}
const where = (type) => page.evaluate((type) => [...window.app.graph.nodes.find((one) => one.type === type).pos].map(Math.round), type);

const idOf = (type) => page.evaluate((type) => String(window.app.graph.nodes.find((one) => one.type === type).id), type);

/** What a run of a node would have told the page. */
async function say(type, output, id = null) {
  id ??= await idOf(type);
  await page.request.post(`${url}/test/say`, { data: { type: "executed", data: { node: id, display_node: id, output, prompt_id: "test" } } });
}
async function tell(type, data) {
  await page.request.post(`${url}/test/say`, { data: { type, data } });
  await page.waitForTimeout(250);
}

/** Ids of the nodes that show how a rendering gets on. */
const renderers = () => page.evaluate(() => window.app.graph.nodes.filter((node) => node.widgets?.some((widget) => widget.name === "rendering")).map((node) => String(node.id)));

/** Nodes that overlap, or that stick out of their group. */
const untidy = () => page.evaluate(() => {
  const { graph } = window.app;
  const meet = ([x, y, w, h], [a, b, c, d]) => x < a + c && a < x + w && y < b + d && b < y + h;
  const inside = ([x, y, w, h], [a, b, c, d]) => x >= a && y >= b && x + w <= a + c && y + h <= b + d;
  const boxes = graph.nodes.map((node) => [node.title, [...node.boundingRect]]);
  const overlapping = boxes.flatMap(([name, box], i) => boxes.slice(0, i).filter(([, other]) => meet(box, other)).map(([other]) => `${name} overlaps ${other}`));
  const groups = graph.groups.map((group) => [group.title, [...group.boundingRect]]);
  return overlapping.concat(boxes.flatMap(([name, box]) => groups.filter(([, group]) => meet(box, group) && !inside(box, group)).map(([group]) => `${name} sticks out of ${group}`)));
});

/**
 * What the orbit views that can be seen say, and what the widgets of their nodes hold, node by node: [id, words, [yaw, pitch, distance],
 * live, whether the picture is the server's for these numbers].
 */
const heads = () => page.evaluate((token) => {
  const { graph, ds } = window.app.canvas;
  const seen = [...document.querySelectorAll(".r3d-orbit")].filter((element) => element.checkVisibility() && element.getBoundingClientRect().width);
  return Promise.all(seen.map(async (element) => {
    const box = element.getBoundingClientRect();
    const [x, y] = [(box.x + box.width / 2) / ds.scale - ds.offset[0], (box.y + box.height / 2) / ds.scale - ds.offset[1]];
    const node = graph.nodes.findLast(({ pos, size }) => x > pos[0] && x < pos[0] + size[0] && y > pos[1] && y < pos[1] + size[1]);
    const place = ["view_yaw", "view_pitch", "view_distance"].map((name) => node?.widgets.find((widget) => widget.name === name).value);
    const image = element.querySelector("img"), [yaw, pitch, distance] = place;
    const address = `/api/real3d/head/${token}?yaw=${yaw}&pitch=${pitch}&distance=${distance}&side=${image.naturalWidth}`;
    const right = image.hidden || (image.naturalWidth > 0 && (await globalThis.pixelsOf(image.src)) === (await globalThis.pixelsOf(address)));
    return [String(node?.id), element.querySelector(".r3d-numbers").textContent, place, !image.hidden, right];
  }));
}, plan.head);
/** The same once the first of them shows the head and all of them their own numbers, or after a while as it is. */
async function headsAtRest() {
  let all = [];
  await until(async () => {
    all = await heads();
    return all[0]?.[3] && all.every(([, words, [yaw], , right]) => right && words.includes(`yaw ${yaw}°`));
  });
  return all;
}
async function press(keys) {
  await page.keyboard.press(keys);
  await page.waitForTimeout(700);
}

const steps = {
  /** Every example is opened; nodes of unknown type, and a saved workflow that differs from what was loaded, are told. */
  async examples() {
    for (const [name, workflow] of Object.entries(plan.examples)) {
      await load(workflow);
      const saved = await page.evaluate(() => {
        const { graph } = window.app;
        const first = graph.serialize();
        return {
          missing: graph.nodes.filter((node) => !window.LiteGraph.registered_node_types[node.type]).map((node) => node.type),
          values: Object.fromEntries(first.nodes.filter((node) => node.type.startsWith("Real3D")).map((node) => [node.id, node.widgets_values ?? []])),
          sizes: Object.fromEntries(graph.nodes.map((node) => [node.id, [...node.size].map(Math.round)])),
        };
      });
      seen.examples[name] = saved;
      await picture(`example_${name}`);
      for (const id of await renderers()) await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
      saved.untidy = await untidy();
      await picture(`example_${name}_rendering`);
    }
  },

  async orbit(type, example) {
    await load(plan.examples[example], [type]);
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
  },

  /** Keyframes: added, moved, deleted with the keys, and steered by dragging. */
  async keyframes(example) {
    const type = "Real3DCameraPath";
    await load(plan.examples[example], [type]);
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
  },

  async motion(example) {
    const type = "Real3DAudioToMotion";
    await load(plan.examples[example], [type]);
    const told = { hint: await shown(".r3d-motion .r3d-empty").innerText(), hinted: await shown(".r3d-motion .r3d-empty").isVisible() };
    await picture("motion_hint");
    if (plan.motion) await say(type, plan.motion);
    await until(async () => (await page.locator(".r3d-curve").count()) > 0);
    told.curves = await page.locator(".r3d-curve").count();
    told.wave = await page.locator(".r3d-wave").count();
    const box = await shown(".r3d-motion-track").boundingBox();
    await page.mouse.move(box.x + box.width * 0.25, box.y + 20);
    await page.waitForTimeout(100);
    told.quarter = await shown(".r3d-legend").innerText();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 20);
    await page.waitForTimeout(100);
    told.later = await shown(".r3d-legend").innerText();
    await picture("motion");
    await shown(".r3d-motion-track").focus();
    await page.mouse.move(5, 5);
    await page.keyboard.press("End");
    told.end = await shown(".r3d-motion-track").getAttribute("aria-valuenow");
    if (plan.motion) {
      // the page is opened anew, and the next run takes the node from the cache
      await load(plan.examples[example], [type]);
      told.reopened = await page.locator(".r3d-curve").count();
      const id = await idOf(type);
      await page.request.post(`${url}/test/ran`, { data: { [id]: plan.motion } });
      await tell("execution_cached", { prompt_id: "again", nodes: [id] });
      await tell("executing", { node: null, prompt_id: "again" });
      await until(async () => (await page.locator(".r3d-curve").count()) > 0);
      told.cached = await page.locator(".r3d-curve").count();
    }
    seen.motion = told;
  },

  async rendering(example) {
    const type = "Real3DTalkingPortrait";
    await load(plan.examples[example], [type]);
    const id = await idOf(type);
    const told = { idle: await shown(".r3d-rendering .r3d-empty").innerText() };
    await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
    told.running = await shown(".r3d-rendering output").innerText();
    await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 0.043, picture: plan.frame });
    told.slow = await shown(".r3d-rendering output").innerText();
    told.picture = await shown(".r3d-rendering img").evaluate((image) => image.naturalWidth);
    await fit([type]);
    await picture("rendering");
    let interrupted = false;
    await page.route("**/interrupt", (route) => { interrupted = true; route.fulfill({ status: 200, body: "" }); });
    await shown(".r3d-rendering button").click();
    told.cancelling = await shown(".r3d-rendering output").innerText();
    told.interrupted = interrupted || (await until(async () => interrupted, 1000));
    await tell("execution_interrupted", { prompt_id: "test", node_id: id, node_type: type, executed: [] });
    told.cancelled = await shown(".r3d-rendering output").innerText();
    await tell("real3d.rendering", { node: "no:such", done: 1, total: 2, fps: 1, picture: plan.frame });
    seen.rendering = told;
  },

  /** The head is dragged, undone, done again, copied and loaded anew; what is seen must be what the widgets hold. */
  async again(type, example) {
    await load(plan.examples[example], [type]);
    const owner = type === "Real3DCameraPath" ? "Real3DRenderHead" : type;
    await say(owner, { real3d_head: [plan.head] });
    await until(async () => (await face()) !== "");
    await page.evaluate(() => {
      const { changeTracker } = window.app.extensionManager.workflow.activeWorkflow; // what the run has changed is a step of its own
      changeTracker.beforeChange();
      changeTracker.afterChange();
    });
    await page.waitForTimeout(200); // the page adds to a step what changes in the next 50 ms
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
    await page.waitForTimeout(700);
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
  },

  /** Which widgets of a camera path can be seen in each mode, and its orbit picture when the node is made larger. */
  async modes(example) {
    const type = "Real3DCameraPath";
    await load(plan.examples[example], [type]);
    await say("Real3DRenderHead", { real3d_head: [plan.head] });
    const told = { seen: {}, before: await values(type) };
    const choose = async (mode) => {
      await page.evaluate(([type, mode]) => {
        const widget = window.app.canvas.graph.nodes.find((one) => one.type === type).widgets.find((one) => one.name === "mode");
        widget.value = mode;
        widget.callback?.(mode);
      }, [type, mode]);
      await page.waitForTimeout(700);
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
    await until(async () => (await size())[0] > 400);
    await page.waitForTimeout(1500);
    told.large = await size();
    await picture("grown");
    // a number of another mode is connected, and then the node is put into a subgraph
    await load(plan.examples[example], [type]);
    await choose("dolly");
    const connect = (from) => page.evaluate(([type, from]) => {
      const { graph } = window.app, path = graph.nodes.find((one) => one.type === type), slot = path.inputs.findIndex((one) => one.name === "yaw");
      const source = graph.nodes.find((one) => one.type === from);
      if (source) source.connect(source.outputs.findIndex((one) => one.name === "fps"), path, slot);
      else path.disconnectInput(slot);
    }, [type, from]);
    await connect("Real3DRenderPasses");
    await page.waitForTimeout(700);
    told.connected = await listed();
    await connect(null);
    await page.waitForTimeout(700);
    told.disconnected = await listed();
    await page.evaluate((type) => {
      const { graph, canvas } = window.app;
      const { node } = graph.convertToSubgraph(new Set([graph.nodes.find((one) => one.type === type)]));
      canvas.openSubgraph(node.subgraph, node);
      const [path] = node.subgraph.nodes;
      [canvas.ds.scale, canvas.ds.offset[0], canvas.ds.offset[1]] = [1, 300 - path.pos[0], 120 - path.pos[1]];
    }, type);
    await page.waitForTimeout(1000);
    await choose("orbit");
    told.inside = await listed();
    await picture("mode_inside");
    seen.modes = told;
  },

  /** The help of a node: what the page asks for, and what it shows. */
  async help(type, example) {
    const asked = [];
    // the page cuts the folder's name at its first dot
    await page.route("**/extensions/*/docs/**", (route) => route.continue({ url: route.request().url().replace(/extensions\/[^/]+/, `extensions/${plan.folder}`) }));
    page.on("response", (answer) => { if (answer.url().includes("/docs/")) asked.push([answer.url().split("/docs/")[1], answer.status()]); });
    await load(plan.examples[example], [type]);
    const title = await page.evaluate((type) => {
      const { graph, ds, canvas } = window.app.canvas;
      const { pos } = graph.nodes.find((one) => one.type === type), box = canvas.getBoundingClientRect();
      return [(pos[0] + 150 + ds.offset[0]) * ds.scale + box.x, (pos[1] - 15 + ds.offset[1]) * ds.scale + box.y];
    }, type);
    await page.mouse.click(...title);
    await shown('[data-testid="info-button"]').click();
    const text = shown(".comfy-markdown-content, .node-help-content");
    await until(async () => (await text.count()) > 0 && (await text.innerText()).length > 200);
    await picture("help");
    seen.help = { asked, text: await text.innerText() };
  },

  /** A camera path two subgraphs deep, and its motion in another one; the simple node two deep: the server calls them "1:2:3". */
  async subgraphs(path, simple) {
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
      await page.waitForTimeout(600);
    };
    await load(plan.examples[path]);
    const [camera, motion] = [await wrap("Real3DCameraPath", 2), await wrap("Real3DAudioToMotion", 1)];
    await say("Real3DRenderHead", { real3d_head: [plan.head] });
    await say("Real3DAudioToMotion", { ...plan.motion, real3d_seconds: [0.6] }, motion);
    await open(camera);
    const told = { camera, path: await headsAtRest(), clock: await shown(".r3d-strip .r3d-clock").innerText() };
    await dragStage(30, 0);
    told.pathDragged = await headsAtRest();
    await picture("subgraph_path");
    await press("Control+z");
    told.pathUndone = await headsAtRest();
    await load(plan.examples[simple]);
    const id = await wrap("Real3DTalkingPortrait", 2);
    await say("Real3DTalkingPortrait", { real3d_head: [plan.head] }, id);
    await open(id);
    await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
    told.simple = await headsAtRest();
    told.rendering = await page.locator(".r3d-rendering output").innerText();
    await picture("subgraph_simple");
    seen.subgraphs = told;
  },

  /** Opens an example whose files are missing: what the page asks, and what happens on "yes" and on "no". */
  async files(example) {
    const input = async () => (await (await page.request.get(`${url}/test/input`)).json()).sort();
    const openAs = async (button) => {
      await page.request.post(`${url}/test/empty`);
      await page.reload({ waitUntil: "domcontentloaded" });
      await page.waitForFunction(() => window.app?.graph && window.LiteGraph?.registered_node_types?.Real3DCameraPath);
      await page.waitForTimeout(plan.settle ?? 800);
      await page.evaluate((workflow) => { window.app.loadGraphData(workflow); }, plan.examples[example]); // not awaited: it asks first
      const dialog = page.locator('[role="dialog"]').first();
      await dialog.waitFor({ timeout: 10000 });
      const told = { text: await dialog.innerText(), before: await input() };
      await picture(`files_${button}`);
      await dialog.locator("button", { hasText: new RegExp(button, "i") }).click();
      await until(() => page.evaluate((count) => window.app.graph.nodes.length === count, plan.examples[example].nodes.length));
      told.after = await input();
      await page.evaluate((workflow) => { window.app.loadGraphData(workflow); }, plan.examples[example]);
      told.askedAgain = await until(async () => (await page.locator('[role="dialog"]').count()) > 0, 1500);
      told.nodes = await page.evaluate(() => window.app.graph.nodes.length);
      return told;
    };
    seen.files = { no: await openAs("cancel"), yes: await openAs("confirm") };
    await copyFiles();
  },

  /** Opens an example where the server has no model that finds faces: what the page offers, and what is fetched on "yes" and on "no". */
  async models(example) {
    await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [plan.model] } }));
    const fetched = [];
    await page.context().route(plan.model.url, (route) => { fetched.push(route.request().url()); return route.abort(); });
    const openAs = async (button) => {
      await page.reload({ waitUntil: "domcontentloaded" });
      await page.waitForFunction(() => window.app?.graph && window.LiteGraph?.registered_node_types?.Real3DCameraPath);
      await page.waitForTimeout(plan.settle ?? 800);
      await page.evaluate((workflow) => window.app.loadGraphData(workflow), plan.examples[example]);
      const dialog = page.locator('[role="dialog"]').first();
      await dialog.waitFor({ timeout: 10000 });
      const told = { text: await dialog.innerText(), dialogs: await page.locator('[role="dialog"]').count() };
      await picture(`models_${button}`);
      await dialog.locator("button", { hasText: new RegExp(button, "i") }).click();
      told.fetched = (await until(() => fetched.length > 0, button === "confirm" ? 5000 : 1000)) ? fetched.splice(0) : [];
      await page.evaluate((workflow) => window.app.loadGraphData(workflow), plan.examples[example]);
      told.askedAgain = await until(async () => (await page.locator('[role="dialog"]').count()) > 0, 1500);
      return told;
    };
    seen.models = { no: await openAs("cancel"), yes: await openAs("confirm") };
    await page.unroute("**/real3d/models");
    await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [] } }));
  },

  /** Queues an example on a real server and looks at its nodes afterwards. */
  async run(example, types, changes) {
    await load(plan.examples[example], types);
    if (!(await page.locator(".r3d-stage").count())) return; // Nodes 2.0 of 2025
    const end = page.evaluate((changes) => new Promise((done) => {
      const api = window.app.api ?? window.comfyAPI.api.api;
      for (const node of window.app.graph.nodes) {
        for (const widget of node.widgets ?? []) if (widget.name in changes) widget.value = changes[widget.name];
      }
      for (const kind of ["execution_success", "execution_error", "execution_interrupted"]) {
        api.addEventListener(kind, ({ detail }) => done(`${kind} ${detail?.exception_message ?? ""}`), { once: true });
      }
      window.app.queuePrompt(0);
      setTimeout(() => done("timeout"), 200000);
    }), changes);
    const running = await until(async () => (await page.locator('.r3d-rendering[data-state="running"]').count()) > 0, 60000);
    if (running) await picture(`run_${example}_during`);
    seen.run = { end: await end, running };
    await page.waitForTimeout(1500);
    await fit(types);
    seen.run.face = await faceAtRest();
    seen.run.told = await page.locator(".r3d-rendering output").allInnerTexts();
    seen.run.curves = await page.locator(".r3d-curve").count();
    await picture(`run_${example}_after`);
    await dragStage(-90, 20);
    seen.run.faceTurned = await faceAtRest();
    await picture(`run_${example}_turned`);
    await press("Control+z");
    seen.run.faceUndone = await faceAtRest();
    await picture(`run_${example}_undone`);
  },

  /** Opens an example where the server has no model that finds faces: what the page offers, and what is fetched on "yes" and on "no". */
  async models(example) {
    await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [plan.model] } }));
    const fetched = [];
    await page.context().route(plan.model.url, (route) => { fetched.push(route.request().url()); return route.abort(); });
    const openAs = async (button) => {
      await page.reload({ waitUntil: "domcontentloaded" });
      await page.waitForFunction(() => window.app?.graph && window.LiteGraph?.registered_node_types?.Real3DCameraPath);
      await page.waitForTimeout(plan.settle ?? 800);
      await page.evaluate((workflow) => window.app.loadGraphData(workflow), plan.examples[example]);
      const dialog = page.locator('[role="dialog"]').first();
      await dialog.waitFor({ timeout: 10000 });
      const told = { text: await dialog.innerText(), dialogs: await page.locator('[role="dialog"]').count() };
      await picture(`models_${button}`);
      await dialog.locator("button", { hasText: new RegExp(button, "i") }).click();
      told.fetched = (await until(() => fetched.length > 0, button === "confirm" ? 5000 : 1000)) ? fetched.splice(0) : [];
      await page.evaluate((workflow) => window.app.loadGraphData(workflow), plan.examples[example]);
      told.askedAgain = await until(async () => (await page.locator('[role="dialog"]').count()) > 0, 1500);
      return told;
    };
    seen.models = { no: await openAs("cancel"), yes: await openAs("confirm") };
    await page.unroute("**/real3d/models");
    await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [] } }));
  },

  /** Queues an example on a real server and cancels it with the node's own button. */
  async cancel(example, types, changes) {
    await load(plan.examples[example], types);
    if (!(await page.locator(".r3d-stage").count())) return;
    const end = page.evaluate((changes) => new Promise((done) => {
      const api = window.app.api ?? window.comfyAPI.api.api;
      for (const node of window.app.graph.nodes) {
        for (const widget of node.widgets ?? []) if (widget.name in changes) widget.value = changes[widget.name];
      }
      for (const kind of ["execution_success", "execution_error", "execution_interrupted"]) api.addEventListener(kind, () => done(kind), { once: true });
      window.app.queuePrompt(0);
      setTimeout(() => done("timeout"), 100000);
    }), changes);
    const button = page.locator('.r3d-rendering[data-state="running"] button').first();
    await button.waitFor({ timeout: 90000 });
    await button.evaluate((one) => one.click()); // the node has grown: the button may be out of sight
    const told = await page.locator(".r3d-rendering output").allInnerTexts();
    const began = Date.now();
    seen.cancel = { told, end: await end, seconds: (Date.now() - began) / 1000 };
    await page.waitForTimeout(300);
    seen.cancel.after = await page.locator(".r3d-rendering output").allInnerTexts();
    await picture("cancelled");
  },
};

let status = 0;
try {
  watch();
  await open();
  for (const [name, ...rest] of plan.steps) await steps[name](...rest);
} catch (error) {
  seen.failure = String(error.stack ?? error);
  await picture("failure").catch(() => {});
  status = 1;
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
process.exit(status);
